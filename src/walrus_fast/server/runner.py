"""Runs jobs: delay, turn, process, deadline, clean-up, final state."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from walrus_fast.errors import Cancelled, TimedOut, WalrusFastError, WorkerDied
from walrus_fast.protocol.jobs import ErrorBody, JobState, error_body
from walrus_fast.rates import AUTO
from walrus_fast.server.child import start_child
from walrus_fast.server.job_spec import (
    CreateTask,
    Damaged,
    DrillTask,
    Failed,
    Rate,
    Stop,
    Succeeded,
    SweepScratchTask,
    SweepTask,
    VerifyTask,
)
from walrus_fast.server.logs import job_context

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from walrus_fast.protocol.jobs import Job
    from walrus_fast.rates import RateLimit
    from walrus_fast.server.child import Child
    from walrus_fast.server.job_spec import Said, Step
    from walrus_fast.server.jobs import JobRecord
    from walrus_fast.server.slots import Slots

__all__ = ["JobRunner", "Patience"]

_LOG = logging.getLogger(__name__)
_MOST_FINDINGS = 100  # lines of the log for one job; the result has them all
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how long a job may run, and how long a job that was told to stop may take to clean up."""

    job_timeout: float
    stop_timeout: float


class JobRunner:
    """Takes jobs from accepted to final. One task of the loop per job; a final state is said only when no process
    of the job is left and the repository's staging holds nothing of it."""

    def __init__(
        self,
        slots: Slots,
        *,
        patience: Callable[[], Patience],
        prepare: Callable[[JobRecord], Awaitable[None]],
        pin_dir: Callable[[], str | None],
        ended: Callable[[Job], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        self._slots = slots
        self._patience = patience
        self._prepare = prepare
        self._pin_dir = pin_dir
        self._ended = ended
        self._now = now
        self._children: set[Child] = set()
        self._rate: RateLimit = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, record: JobRecord) -> None:
        """Begin; returns at once."""
        task = asyncio.get_running_loop().create_task(self._live(record))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def set_rate(self, limit: RateLimit) -> None:
        """Limit all jobs together, running ones included."""
        self._rate = limit
        self._share_rate()

    @property
    def rate(self) -> RateLimit:
        """The limit over all jobs."""
        return self._rate

    def _share_rate(self) -> None:
        for child in self._children:
            child.send(Rate(self._share(len(self._children))))

    def _share(self, jobs: int) -> RateLimit:
        # By the pressure, jobs find their shares themselves: each sees what all of them do.
        return self._rate if self._rate == AUTO else -(-self._rate // max(1, jobs))

    async def _live(self, record: JobRecord) -> None:
        with job_context(record.job.job_id):
            try:
                await self._reach_final_state(record)
            except WalrusFastError as exc:
                self._fail(record, error_body(exc))
            except Exception as exc:  # noqa: BLE001
                # The last line of defence: a fault of ours fails this job, and neither the server nor other jobs.
                _LOG.exception("the job failed by a fault of the server")
                self._fail(record, ErrorBody("internal", f"{type(exc).__name__}: {exc}", "Please report it."))
            await self._ended(record.job)

    async def _reach_final_state(self, record: JobRecord) -> None:
        delay = record.job.due - record.job.created
        if delay > 0:
            _LOG.info("%s of %s begins in %.0f s", record.job.kind, record.job.repository, delay)
            if await _unless_stopped(record, asyncio.sleep(delay, result=True)) is None:
                self._end_unstarted(record)
                return
            record.update(state=JobState.QUEUED)
        needs_workers = isinstance(record.task, (CreateTask, VerifyTask, DrillTask))
        turn = self._slots.held(record.job.repository, needs_workers=needs_workers)
        workers = await _unless_stopped(record, turn.__aenter__())
        if workers is None:
            self._end_unstarted(record)
            return
        try:
            await self._work(record, workers)
        finally:
            await turn.__aexit__(None, None, None)

    def _end_unstarted(self, record: JobRecord) -> None:
        stop = record.stop
        error = Cancelled("stopped before it began" if stop is None else stop.message)
        self._finish(record, JobState.CANCELLED, error=error_body(error))

    async def _work(self, record: JobRecord, workers: int) -> None:
        job = record.job
        record.update(state=JobState.STOPPING if record.stop else JobState.RUNNING, started=self._now())
        _LOG.info("%s of %s begins (%s)", job.kind, job.repository, job.origin)
        await self._prepare(record)
        task = record.task
        if isinstance(task, (CreateTask, VerifyTask, DrillTask)):
            rate = self._share(len(self._children) + 1)
            task = msgspec.structs.replace(task, workers=max(1, workers), rate=rate)
        child = await start_child(task)
        self._children.add(child)
        self._share_rate()
        try:
            outcome = await self._until_end(record, child)
        finally:
            self._children.discard(child)
            self._share_rate()
        if isinstance(outcome, Failed):
            await self._settle(record, outcome)
        elif isinstance(outcome, Damaged):
            for finding in outcome.findings[:_MOST_FINDINGS]:
                _LOG.error("%s", finding)
            self._finish(record, JobState.FAILED, phase="", result=outcome.result, error=outcome.error)
        elif isinstance(outcome, Succeeded):
            self._finish(record, JobState.SUCCEEDED, phase="", result=outcome.result)
            if warning := getattr(outcome.result, "warning", ""):
                _LOG.warning("%s", warning)

    async def _until_end(self, record: JobRecord, child: Child) -> Said:
        def on_step(step: Step) -> None:
            if step.phase != record.job.phase:
                _LOG.info("%s", step.phase)
            record.update(
                phase=step.phase,
                bytes_done=step.bytes_done,
                bytes_total=step.bytes_total,
                files_done=step.files_done,
                files_total=step.files_total,
            )

        patience = self._patience()
        ending = asyncio.ensure_future(child.outcome(on_step))
        stopping = asyncio.ensure_future(record.stop_requested())
        try:
            await asyncio.wait({ending, stopping}, timeout=patience.job_timeout, return_when="FIRST_COMPLETED")
            if not ending.done() and not stopping.done():
                record.request_stop(Stop(True, f"the job ran for {patience.job_timeout:g} s, which is its job_timeout"))
                await asyncio.wait({stopping})
            if not ending.done():
                _LOG.info("stopping: %s", stopping.result().message)
                child.send(stopping.result())
                await asyncio.wait({ending}, timeout=patience.stop_timeout)
            if not ending.done():
                _LOG.warning("it does not stop within %g s and is killed", patience.stop_timeout)
                child.kill()
            return await ending
        finally:
            stopping.cancel()
            if not ending.done():
                ending.cancel()  # the server itself is torn down: the child is killed and awaited there

    async def _settle(self, record: JobRecord, outcome: Failed) -> None:
        """The final state of a job that did not succeed, once nothing is left of it."""
        error, stop = outcome.error, record.stop
        if not outcome.clean:
            leftover = await self._sweep(record)
            if leftover is not None:
                message = f"{error.message}; what it left could not be removed: {leftover}"
                self._fail(record, msgspec.structs.replace(error, message=message))
                return
        if stop is not None and error.code in (WorkerDied.code, Cancelled.code, TimedOut.code):
            kind, state = (TimedOut, JobState.TIMED_OUT) if stop.timed_out else (Cancelled, JobState.CANCELLED)
            self._finish(record, state, error=error_body(kind(stop.message)))
        else:
            self._fail(record, error)

    async def _sweep(self, record: JobRecord) -> str | None:
        """Remove what a killed job left; says in words why that failed."""
        task = record.task
        if isinstance(task, (VerifyTask, DrillTask)):
            child = await start_child(SweepScratchTask(task.repository, task.scratch_dir))
        else:
            child = await start_child(SweepTask(task.repository, self._pin_dir()))
        outcome = await child.outcome(lambda _: None)
        return outcome.error.message if isinstance(outcome, Failed) else None

    def _fail(self, record: JobRecord, error: ErrorBody) -> None:
        self._finish(record, JobState.FAILED, error=error)

    def _finish(self, record: JobRecord, state: JobState, **changes: Any) -> None:
        record.update(state=state, finished=self._now(), **changes)
        error = record.job.error
        if error is None:
            _LOG.info("%s", state.value)
        else:
            _LOG.log(logging.ERROR if state is JobState.FAILED else logging.INFO, "%s: %s", state.value, error.message)

    async def wait_for_all(self) -> None:
        """Wait until every started job is in its final state."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))


async def _unless_stopped(record: JobRecord, work: Coroutine[Any, Any, _T]) -> _T | None:
    """The result of `work`, or None, with `work` undone, when the job is to stop first."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(record.stop_requested())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.wait({working})
        # The turn may have come in the very moment of the stop; then it is taken, and given back by the caller.
        return None if working.cancelled() else working.result()
    finally:
        stopping.cancel()
