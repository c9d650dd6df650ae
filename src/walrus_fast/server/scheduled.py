"""What the schedule needs of the node: its pace from the configuration, its repository, its jobs, its clock."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.protocol.jobs import JobState
from walrus_fast.protocol.messages import Create

if TYPE_CHECKING:
    from collections.abc import Callable

    from walrus_fast.config.model import NodeConfig
    from walrus_fast.server.commands import Commands
    from walrus_fast.server.readings import Readings

__all__ = ["ScheduledBackups", "WakefulClock"]


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
class _Pace:
    interval: float
    retry_delay: float
    jitter: float


class ScheduledBackups:
    """The schedule's view of the node. Asks the configuration each time, so a reload is in force at once."""

    def __init__(self, config: Callable[[], NodeConfig], commands: Commands, readings: Readings) -> None:
        self._config = config
        self._commands = commands
        self._readings = readings

    def pace(self) -> _Pace | None:
        """None while no schedule is asked for."""
        config = self._config()
        if not config.checkpoint_config.periodic_db_checkpoints:
            return None
        ours = config.walrus_fast
        return _Pace(config.checkpoint_config.db_checkpoint_interval, ours.retry_delay, ours.schedule_jitter)

    async def newest(self) -> float | None:
        """When the newest backup of the scheduled repository was made. Raises: as `Readings`."""
        return await self._readings.newest(self._repository())

    async def backup(self) -> bool:
        """Make a backup; or, when one is being made already, wait for that. Raises: QueueFull, ServerStopping."""
        record = self._commands.creating_in(self._repository())
        if record is None or record.job.state is JobState.SCHEDULED:
            record = self._commands.submit(Create(), origin="schedule")
        job = await record.finished()
        return job.state is JobState.SUCCEEDED

    def _repository(self) -> str:
        return self._commands.repository(None)
