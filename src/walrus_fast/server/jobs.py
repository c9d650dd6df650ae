"""Jobs: what the server knows of each, and how it tells those who watch."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from walrus_fast.errors import JobNotFound, QueueFull
from walrus_fast.protocol.jobs import Job, JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from walrus_fast.server.job_spec import CreateTask, DeleteTask, DrillTask, PruneTask, Stop, VerifyTask

    JobTask = CreateTask | VerifyTask | DrillTask | DeleteTask | PruneTask

__all__ = ["JobBoard", "JobRecord"]

_HISTORY = 200  # jobs in a final state that are remembered


class JobRecord:
    """One job: what is to be done, its newest public state, and the wish that it stops."""

    def __init__(self, task: JobTask, job: Job, told: Callable[[Job, Job], None]) -> None:
        self.task = task
        self._job = job
        self._told = told
        self._changed = asyncio.Event()
        self._stop: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()

    @property
    def job(self) -> Job:
        """The newest state."""
        return self._job

    def update(self, **changes: Any) -> None:
        """Give the job new values, and wake those who wait for that."""
        before, self._job = self._job, msgspec.structs.replace(self._job, **changes)
        self._told(before, self._job)
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Wait for the next `update`."""
        await self._changed.wait()

    async def finished(self) -> Job:
        """Wait for the final state."""
        while not self._job.state.is_final:
            await self.changed()
        return self._job

    def request_stop(self, stop: Stop) -> None:
        """Ask the job to end; the first reason counts. Its final state tells when it has."""
        if not self._stop.done() and not self._job.state.is_final:
            self._stop.set_result(stop)
            self.update(state=JobState.STOPPING)

    @property
    def stop(self) -> Stop | None:
        """Why the job was asked to end, if it was."""
        return self._stop.result() if self._stop.done() else None

    async def stop_requested(self) -> Stop:
        """Wait for `request_stop`."""
        return await asyncio.shield(self._stop)


class JobBoard:
    """Every job of this run of the server, the oldest final ones forgotten. `told` hears of every change: the job
    before, the job after."""

    def __init__(self, prefix: str, *, now: Callable[[], float], told: Callable[[Job, Job], None]) -> None:
        self._prefix = prefix
        self._now = now
        self._told = told
        self._count = 0
        self._records: OrderedDict[str, JobRecord] = OrderedDict()

    def add(self, task: JobTask, *, kind: str, origin: str, delay: float, most_active: int) -> JobRecord:
        """A new job, not started. Raises: QueueFull when `most_active` jobs are not final."""
        if len(self.active) >= most_active:
            raise QueueFull(f"{len(self.active)} jobs are waiting or running already")
        self._count += 1
        now = self._now()
        job = Job(
            job_id=f"{self._prefix}-{self._count}",
            kind=kind,
            repository=task.repository,
            origin=origin,
            state=JobState.SCHEDULED if delay > 0 else JobState.QUEUED,
            created=now,
            due=now + delay,
        )
        record = self._records[job.job_id] = JobRecord(task, job, self._told)
        for job_id in [id_ for id_, other in self._records.items() if other.job.state.is_final][:-_HISTORY]:
            del self._records[job_id]
        return record

    @property
    def active(self) -> list[JobRecord]:
        """Jobs that are not in a final state, oldest first."""
        return [record for record in self._records.values() if not record.job.state.is_final]

    @property
    def newest_first(self) -> list[JobRecord]:
        """Every remembered job."""
        return list(reversed(self._records.values()))

    def find(self, job_id: str | None) -> JobRecord:
        """The job with that id; without one, the job that works, waits, or was last. Raises: JobNotFound."""
        if job_id is not None:
            if job_id not in self._records:
                raise JobNotFound(f"no job {job_id} in this run of the server")
            return self._records[job_id]
        records = self.newest_first
        if not records:
            raise JobNotFound("no job yet in this run of the server")
        working = [record for record in records if record.job.state in (JobState.RUNNING, JobState.STOPPING)]
        return (working or self.active or records)[0]
