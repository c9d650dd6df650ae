"""What the schedule needs of the node: its pace from the configuration, its repository, its jobs, its clock."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from walrus_fast.protocol.jobs import JobState
from walrus_fast.protocol.messages import Create, Drill, Verify
from walrus_fast.server.job_spec import LastRunTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from walrus_fast.config.model import NodeConfig
    from walrus_fast.server.commands import Commands
    from walrus_fast.server.readings import Readings
    from walrus_fast.tiers import Tier

__all__ = ["Scheduled", "ScheduledBackups", "ScheduledDrills", "ScheduledVerifications", "WakefulClock"]


class WakefulClock:
    """The real time; `wake` ends a sleep early."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that only go on."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until `wake`."""
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            pass  # the time has come, which is what was waited for
        self._woken.clear()

    def wake(self) -> None:
        """End the sleep of whoever sleeps."""
        self._woken.set()


@dataclass(frozen=True, slots=True)
class Pace:
    """As `schedule.Pace`."""

    interval: float
    retry_delay: float
    jitter: float


class Scheduled(Protocol):
    """What a `Schedule` asks of the node. Asks the configuration each time, so a reload is in force at once."""

    what: str

    def pace(self) -> Pace | None:
        """None while no schedule is asked for."""

    async def last(self) -> float | None:
        """When the last run was, seconds since 1970. Raises: as `Readings`."""

    async def run_once(self) -> bool:
        """Whether it was done. Raises: QueueFull, ServerStopping, ConfigInvalid."""


class ScheduledBackups:
    """Backups: so long after the newest one."""

    what = "backup"

    def __init__(self, config: Callable[[], NodeConfig], commands: Commands, readings: Readings) -> None:
        self._config = config
        self._commands = commands
        self._readings = readings

    def pace(self) -> Pace | None:
        """As `Scheduled`."""
        config = self._config()
        if not config.checkpoint_config.periodic_db_checkpoints:
            return None
        return _pace(config, config.checkpoint_config.db_checkpoint_interval)

    async def last(self) -> float | None:
        """As `Scheduled`."""
        return await self._readings.newest(self._commands.repository(None))

    async def run_once(self) -> bool:
        """Make a backup; or, when one is being made already, wait for that."""
        repository = self._commands.repository(None)
        record = self._commands.under_way(lambda job: job.kind == "create" and job.repository == repository)
        if record is None:
            record = self._commands.submit(Create(), origin="schedule")
        job = await record.finished()
        return job.state is JobState.SUCCEEDED


class _ScheduledProofs:
    """Proofs of what is in the repository. With no backup there is nothing to prove: it looks again later."""

    def __init__(
        self, config: Callable[[], NodeConfig], commands: Commands, readings: Readings, now: Callable[[], float]
    ) -> None:
        self._config = config
        self._commands = commands
        self._readings = readings
        self._now = now
        self._unrecorded: float | None = None  # the last run, where the repository takes no record

    async def _last(self, tier: Tier | None = None, sample: str = "") -> float | None:
        found = await self._readings.last_run(LastRunTask(self._commands.repository(None), tier, sample))
        if not found.has_backups:
            return self._now()
        return max((date for date in (found.date, self._unrecorded) if date is not None), default=None)

    async def _run_once(self, command: Verify | Drill) -> bool:
        job = await self._commands.submit(command, origin="schedule").finished()
        if getattr(job.result, "not_recorded", ""):
            self._unrecorded = job.finished
        return job.result is not None  # damage that was found is a result, and recorded: the next run comes in time

    def _pace(self, interval: float) -> Pace | None:
        config = self._config()
        if interval == 0 or config.checkpoint_config.db_checkpoint_dir is None:
            return None
        return _pace(config, interval)


class ScheduledVerifications(_ScheduledProofs):
    """Verifications: so long after the last one of every backup that proved as much."""

    what = "verification"

    def pace(self) -> Pace | None:
        """As `Scheduled`."""
        return self._pace(self._config().walrus_fast.verify_interval)

    async def last(self) -> float | None:
        """As `Scheduled`."""
        ours = self._config().walrus_fast
        return await self._last(ours.verify_tier, str(ours.verify_sample))

    async def run_once(self) -> bool:
        """Verify every backup, and wait for the end."""
        ours = self._config().walrus_fast
        return await self._run_once(Verify(tier=ours.verify_tier, sample=str(ours.verify_sample)))


class ScheduledDrills(_ScheduledProofs):
    """Restore drills of the newest backup: so long after the last drill of any."""

    what = "restore drill"

    def pace(self) -> Pace | None:
        """As `Scheduled`."""
        return self._pace(self._config().walrus_fast.drill_interval)

    async def last(self) -> float | None:
        """As `Scheduled`."""
        return await self._last()

    async def run_once(self) -> bool:
        """Rehearse a restore, and wait for the end."""
        return await self._run_once(Drill())


def _pace(config: NodeConfig, interval: float) -> Pace:
    return Pace(interval, config.walrus_fast.retry_delay, config.walrus_fast.schedule_jitter)
