"""Short questions about repositories, answered by processes of their own: a catalogue of 100,000 files is neither
read on the loop nor kept in the server's memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from walrus_fast.errors import TimedOut, WorkerDied
from walrus_fast.protocol.jobs import received_error
from walrus_fast.server.child import start_child
from walrus_fast.server.job_spec import (
    Failed,
    LastRun,
    LastRunTask,
    Listed,
    ListTask,
    Newest,
    NewestTask,
    Nothing,
    PinTask,
    Surveyed,
    SurveyTask,
)

if TYPE_CHECKING:
    from walrus_fast.protocol.jobs import BackupSummary
    from walrus_fast.protocol.survey import RepositorySurvey
    from walrus_fast.server.job_spec import Said, Task

__all__ = ["Readings"]

_AT_ONCE = 2
_TIMEOUT = 600.0  # seconds: a repository on a dead network mount must not hold a place for ever
_Kind = TypeVar("_Kind")


class Readings:
    """At most two at once; the others wait. Cancelling the caller kills the process."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def backups(self, repository: str) -> tuple[BackupSummary, ...]:
        """Every backup, oldest first. Raises: RepositoryError, StorageError, WorkerDied, TimedOut."""
        return (await self._ask(ListTask(repository), Listed)).backups

    async def newest(self, repository: str) -> float | None:
        """When the newest sound backup was made, seconds since 1970; None when there is none. Raises: as above."""
        return (await self._ask(NewestTask(repository), Newest)).created

    async def last_run(self, task: LastRunTask) -> LastRun:
        """When the last verification or drill of such a kind ended. Raises: as above."""
        return await self._ask(task, LastRun)

    async def survey(self, repository: str, database: str) -> RepositorySurvey:
        """The whole repository; one that is not there has no backups. Raises: as above."""
        return (await self._ask(SurveyTask(repository, database), Surveyed)).survey

    async def pin(self, repository: str, backup_id: int, *, pinned: bool) -> None:
        """Pin or unpin a backup. Raises: as above, RepositoryBusy while a job writes."""
        await self._ask(PinTask(repository, backup_id, pinned), Nothing)

    async def _ask(self, task: Task, kind: type[_Kind]) -> _Kind:
        async with self._places:
            child = await start_child(task)
            try:
                async with asyncio.timeout(_TIMEOUT):
                    said: Said = await child.outcome(lambda _: None)
            except TimeoutError as exc:
                raise TimedOut(f"no answer about {task.repository} within {_TIMEOUT:g} s") from exc
        if isinstance(said, kind):
            return said
        if isinstance(said, Failed):
            raise received_error(said.error)
        raise WorkerDied(f"a job process answered {type(said).__name__} where {kind.__name__} was asked for")
