"""What each command does, in terms of jobs, readings and limits."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeAlias

from walrus_fast.errors import ConfigInvalid, JobNotFound, ServerStopping
from walrus_fast.files import Files
from walrus_fast.operations.pace.pressure import NO_PRESSURE, find_gauge
from walrus_fast.protocol.jobs import JobState
from walrus_fast.protocol.messages import (
    VERSION,
    Cancel,
    CheckpointList,
    Command,
    Create,
    Delete,
    Drill,
    GetInfo,
    GetStatus,
    Info,
    JobCancelled,
    Limits,
    List,
    LogLevel,
    Pin,
    Ping,
    Pinned,
    Pong,
    Prune,
    SetLimits,
    SetLogLevel,
    Status,
    Verify,
)
from walrus_fast.rates import AUTO
from walrus_fast.server.job_spec import CreateTask, DeleteTask, DrillTask, PruneTask, Stop, VerifyTask
from walrus_fast.tiers import Sample
from walrus_fast.version import VERSION as PROGRAM_VERSION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from walrus_fast.config.model import NodeConfig
    from walrus_fast.protocol.jobs import Job
    from walrus_fast.protocol.messages import Answer
    from walrus_fast.rates import RateLimit
    from walrus_fast.server.jobs import JobBoard, JobRecord, JobTask
    from walrus_fast.server.logs import Logs
    from walrus_fast.server.readings import Readings
    from walrus_fast.server.runner import JobRunner
    from walrus_fast.server.slots import Slots

__all__ = ["Commands", "Vitals"]

_LOG = logging.getLogger(__name__)
_JobCommand: TypeAlias = Create | Verify | Drill | Delete | Prune
_PONG = Pong()


@dataclass(frozen=True, slots=True)
class Vitals:
    """What `info` shows that only others know."""

    started: float
    connections: int
    next_backup: float | None
    next_verification: float | None
    next_drill: float | None


class Commands:
    """The orders an operator can give. Nothing here blocks; what takes time is awaited by the caller."""

    def __init__(
        self,
        *,
        config: Callable[[], NodeConfig],
        database: Callable[[], Path],
        board: JobBoard,
        runner: JobRunner,
        slots: Slots,
        readings: Readings,
        logs: Logs,
        vitals: Callable[[], Vitals],
    ) -> None:
        self._config = config
        self._database = database
        self._board = board
        self._runner = runner
        self._slots = slots
        self._readings = readings
        self._logs = logs
        self._vitals = vitals
        self.accepts_jobs = True

    def answer(self, command: Command) -> Answer | Awaitable[Answer]:
        """The answer, or the promise of one. Raises: WalrusFastError."""
        match command:
            case Ping():
                return _PONG
            case GetInfo():
                return self._info()
            case GetStatus():
                return self._status(command.job_id)
            case List():
                return self._list(self.repository(command.path))
            case Cancel():
                return self._cancel(command.job_id)
            case Pin():
                return self._pin(command)
            case SetLogLevel():
                self._logs.set_levels(command.level)
                _LOG.info("log level is %s", command.level)
                return LogLevel(command.level)
            case SetLimits():
                return self._set_limits(command)
            case Create() | Verify() | Drill() | Delete() | Prune():
                return self.submit(command, origin="operator").job
            case _:
                raise AssertionError(f"no answer to {command!r}")  # the decoder lets nothing else through

    def submit(self, command: _JobCommand, *, origin: str) -> JobRecord:
        """A new job, begun. Raises: QueueFull, ServerStopping, ConfigInvalid."""
        if not self.accepts_jobs:
            raise ServerStopping("the server is stopping and takes no new jobs")
        delay = command.delay_secs if isinstance(command, Create) else 0.0
        record = self._board.add(
            self._task(command),
            kind=type(command).__name__.lower(),
            origin=origin,
            delay=max(0.0, delay),
            most_active=self._config().walrus_fast.max_queued_jobs,
        )
        self._runner.start(record)
        return record

    def under_way(self, wanted: Callable[[Job], bool]) -> JobRecord | None:
        """The first wanted job that works or waits for its turn; one with a delay does not count."""
        for record in self._board.active:
            if record.job.state is not JobState.SCHEDULED and wanted(record.job):
                return record
        return None

    def _task(self, command: _JobCommand) -> JobTask:
        config = self._config()
        repository = self.repository(command.path)
        configured = config.checkpoint_config
        if isinstance(command, Create):
            ours = config.walrus_fast
            # Retention is for the folder of the schedule: a folder that an operator names keeps what he puts there.
            scheduled = configured.db_checkpoint_dir is not None and repository == self.repository(None)
            return CreateTask(
                database=str(self._database()),
                wal_dir=_text(ours.wal_dir),
                data_dirs=tuple(str(place) for place in ours.data_dirs),
                repository=repository,
                mode=ours.transfer_mode,
                sync=configured.sync,
                pin_dir=_text(ours.pin_dir),
                keep=configured.max_db_checkpoints if scheduled else 0,
            )
        if isinstance(command, Verify):
            return VerifyTask(
                repository=repository,
                ids=command.ids,
                tier=command.tier,
                sample=_share(command.sample),
                scratch_dir=self._scratch_dir(command),
                database=str(self._database()),
            )
        if isinstance(command, Drill):
            return DrillTask(
                repository=repository,
                backup_id=command.backup_id,
                scratch_dir=self._scratch_dir(command),
                database=str(self._database()),
                rows=command.rows,
                mode=command.mode,
            )
        if isinstance(command, Delete):
            return DeleteTask(repository, command.backup_id)
        keep = configured.max_db_checkpoints if command.keep is None else command.keep
        return PruneTask(repository, max(0, keep), command.dry_run)

    def _scratch_dir(self, command: Verify | Drill) -> str | None:
        scratch_dir = command.scratch_dir or _text(self._config().walrus_fast.drill_scratch_dir)
        return None if scratch_dir is None else _absolute(scratch_dir)

    def repository(self, path: str | None) -> str:
        """The folder without `//` and `/./`, so that those are not other repositories. Links are not resolved: that
        could block the loop, and of two jobs that meet in a folder one is refused by its lock."""
        if path is None:
            configured = self._config().checkpoint_config.db_checkpoint_dir
            if configured is None:
                raise ConfigInvalid(
                    "no folder is given, and checkpoint_config.db_checkpoint_dir is not set",
                    hint="Give --path, or set db_checkpoint_dir in the node's configuration.",
                )
            path = str(configured)
        return _absolute(path)

    async def _info(self) -> Info:
        config, vitals = self._config(), self._vitals()
        return Info(
            version=PROGRAM_VERSION,
            protocol=VERSION,
            pid=os.getpid(),
            started=vitals.started,
            mode=config.walrus_fast.mode.value,
            database=str(self._database()),
            checkpoint_dir=_text(config.checkpoint_config.db_checkpoint_dir),
            workers=config.checkpoint_config.max_background_operations,
            workers_busy=self._slots.workers_busy,
            max_bytes_per_second=self._runner.rate,
            connections=vitals.connections,
            jobs_active=len(self._board.active),
            next_backup=vitals.next_backup,
            next_verification=vitals.next_verification,
            next_drill=vitals.next_drill,
            log_level=self._logs.directives,
            memory=await asyncio.to_thread(_peak_memory),
        )

    def _status(self, job_id: str | None) -> Status:
        records = self._board.newest_first if job_id is None else [self._board.find(job_id)]
        return Status(tuple(record.job for record in records))

    async def _list(self, repository: str) -> CheckpointList:
        return CheckpointList(repository, await self._readings.backups(repository))

    async def _cancel(self, job_id: str | None) -> JobCancelled:
        try:
            record = self._board.find(job_id)
        except JobNotFound:
            if job_id is not None:
                raise
            return JobCancelled(None)
        if record.job.state.is_final and job_id is None:
            return JobCancelled(None)
        return JobCancelled(await self.stop(record, "cancelled on request"))

    async def stop(self, record: JobRecord, message: str) -> Job:
        """Ask a job to end, and wait until it has."""
        record.request_stop(Stop(False, message))
        return await record.finished()

    async def _pin(self, command: Pin) -> Pinned:
        await self._readings.pin(self.repository(command.path), command.backup_id, pinned=command.pinned)
        return Pinned(command.backup_id, command.pinned)

    async def _set_limits(self, command: SetLimits) -> Limits:
        limit, warning = command.max_bytes_per_second, ""
        if limit is not None:
            warning = await self.limit_rate(limit if limit == AUTO else max(0, limit))
            _LOG.info("max_bytes_per_second is %s", self._runner.rate)
        return Limits(self._runner.rate, warning)

    async def limit_rate(self, limit: RateLimit) -> str:
        """Limit all jobs together, running ones included. Says, here and in the log, when that has no effect."""
        self._runner.set_rate(limit)
        if limit != AUTO or await asyncio.to_thread(find_gauge, Files(), None) is not None:
            return ""
        _LOG.warning("max_bytes_per_second: %s", NO_PRESSURE)
        return NO_PRESSURE


def _absolute(path: str) -> str:
    if not Path(path).is_absolute() or "\0" in path:
        raise ConfigInvalid(f"{path!r} is not an absolute path", hint="The server's folder is not yours.")
    return str(PurePath(path))


def _share(text: str | None) -> str:
    try:
        return "" if text is None else str(Sample.parse(text))
    except ValueError as exc:
        raise ConfigInvalid(str(exc)) from exc


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _peak_memory() -> int:
    """Bytes of memory at most so far. Not `ru_maxrss`, which a process inherits from the one that started it."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
