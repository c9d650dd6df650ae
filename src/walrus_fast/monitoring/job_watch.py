"""What jobs do, counted as they do it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from walrus_fast.protocol.jobs import CreateResult, DrillResult, JobState, VerifyResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from walrus_fast.monitoring.counters import Counters
    from walrus_fast.protocol.jobs import Job

__all__ = ["JobWatch"]

_WINDOW = 10.0  # seconds over which a rate is taken


class JobWatch:
    """Told of every change of every job. It is called on the loop, ten times a second, and takes microseconds.

    `failures` are those in a row by kind of job, on the node's own repository: who backs up to another folder by hand
    is told by that command.
    """

    def __init__(
        self, counters: Counters, *, repository: Callable[[], str | None], monotonic: Callable[[], float]
    ) -> None:
        self._counters = counters
        self._repository = repository
        self._monotonic = monotonic
        self._phases: dict[str, tuple[str, float]] = {}
        self._moved: dict[str, deque[tuple[float, int]]] = {}
        self.failures: dict[str, int] = {}

    @property
    def rates(self) -> dict[str, float]:
        """Bytes a second over the last seconds, by job; of jobs that move any."""
        return {job_id: rate for job_id, moved in self._moved.items() if (rate := _rate(moved)) is not None}

    def changed(self, before: Job, after: Job) -> None:
        """A job has a new state."""
        now = self._monotonic()
        if after.phase != before.phase:
            self._end_phase(before, now)
            if after.phase and not after.state.is_final:
                self._phases[after.job_id] = (after.phase, now)
        if after.bytes_done != before.bytes_done and not after.state.is_final:
            moved = self._moved.setdefault(after.job_id, deque())
            if moved and after.bytes_done < moved[-1][1]:
                moved.clear()  # another phase counts from zero
            moved.append((now, after.bytes_done))
            while now - moved[0][0] > _WINDOW:
                moved.popleft()
        if after.state.is_final and not before.state.is_final:
            self._end_phase(after, now)
            self._moved.pop(after.job_id, None)
            self._end(after)

    def _end_phase(self, job: Job, now: float) -> None:
        phase, since = self._phases.pop(job.job_id, ("", now))
        if phase:
            self._counters.phase_seconds.labels(job.kind, phase).observe(now - since)

    def _end(self, job: Job) -> None:
        result = JobState.SUCCEEDED.value if job.error is None else job.error.code
        self._counters.jobs.labels(job.kind, result).inc()
        if job.repository == self._repository():
            self._count_failure(job)
        if job.started is not None and job.finished is not None:
            self._counters.job_seconds.labels(job.kind).observe(max(0.0, job.finished - job.started))
        self._count_bytes(job)

    def _count_failure(self, job: Job) -> None:
        if job.state is JobState.SUCCEEDED:
            self.failures[job.kind] = 0
        elif job.state is not JobState.CANCELLED:
            self.failures[job.kind] = self.failures.get(job.kind, 0) + 1

    def _count_bytes(self, job: Job) -> None:
        counters, result = self._counters, job.result
        if isinstance(result, CreateResult):
            counters.pin_seconds.observe(result.pin_seconds)
            counters.rounds.observe(result.rounds)
            for how in ("reused", "linked", "cloned", "copied"):
                counters.backup_bytes.labels(how).inc(getattr(result, f"bytes_{how}"))
            counters.read_bytes.labels(job.kind).inc(result.bytes_read)
        elif isinstance(result, VerifyResult):
            counters.read_bytes.labels(job.kind).inc(result.bytes_read)
        elif isinstance(result, DrillResult):
            counters.read_bytes.labels(job.kind).inc(result.bytes_total)


def _rate(moved: deque[tuple[float, int]]) -> float | None:
    (began, first), (ended, last) = moved[0], moved[-1]
    return (last - first) / (ended - began) if ended > began else None
