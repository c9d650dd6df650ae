"""What the monitor is told of this server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from walrus_fast.files import Files
from walrus_fast.monitoring.disks import Places
from walrus_fast.monitoring.monitor import Monitor
from walrus_fast.monitoring.state import NodeState, ScheduleState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from walrus_fast.config.model import NodeConfig
    from walrus_fast.protocol.survey import RepositorySurvey
    from walrus_fast.server.commands import Commands, Vitals
    from walrus_fast.server.jobs import JobBoard
    from walrus_fast.server.readings import Readings
    from walrus_fast.server.runner import JobRunner
    from walrus_fast.server.slots import Slots

__all__ = ["Observed"]


class Observed:
    """Answers what `Monitor` asks, from the parts that know it."""

    def __init__(
        self,
        *,
        config: Callable[[], NodeConfig],
        database: Callable[[], Path],
        board: JobBoard,
        runner: JobRunner,
        slots: Slots,
        commands: Commands,
        readings: Readings,
        vitals: Callable[[], Vitals],
    ) -> None:
        self._config = config
        self._database = database
        self._board = board
        self._runner = runner
        self._slots = slots
        self._commands = commands
        self._readings = readings
        self._vitals = vitals

    def monitor(self) -> Monitor:
        """The monitor of this server, not begun."""
        return Monitor(
            Files(),
            node=self._node,
            places=self._places,
            survey=self._survey,
            timeout=lambda: self._config().walrus_fast.peer_timeout,
            only_local=self._is_only_local,
        )

    def _is_only_local(self) -> bool:
        address = self._config().walrus_fast.metrics_address
        return address is not None and address.is_local and address.socket_path is None

    def _node(self) -> NodeState:
        config, vitals = self._config(), self._vitals()
        return NodeState(
            now=time.time(),
            started=vitals.started,
            mode=config.walrus_fast.mode.value,
            database=str(self._database()),
            repository=self._repository(),
            jobs=tuple(record.job for record in self._board.newest_first),
            workers=config.checkpoint_config.max_background_operations,
            workers_busy=self._slots.workers_busy,
            limit=self._runner.rate,
            connections=vitals.connections,
            schedules=self._schedules(config, vitals),
            stopping=not self._commands.accepts_jobs,
        )

    def _schedules(self, config: NodeConfig, vitals: Vitals) -> tuple[ScheduleState, ...]:
        configured, ours = config.checkpoint_config, config.walrus_fast
        proofs = 1 if configured.db_checkpoint_dir is not None else 0
        backups = configured.db_checkpoint_interval if configured.periodic_db_checkpoints else 0
        return (
            ScheduleState("backup", float(backups), vitals.next_backup),
            ScheduleState("verification", float(proofs * ours.verify_interval), vitals.next_verification),
            ScheduleState("drill", float(proofs * ours.drill_interval), vitals.next_drill),
        )

    def _repository(self) -> str | None:
        configured = self._config().checkpoint_config.db_checkpoint_dir
        return None if configured is None else self._commands.repository(None)

    def _places(self) -> Places:
        config, disks = self._config(), {"database": self._database()}
        repository, scratch = config.checkpoint_config.db_checkpoint_dir, config.walrus_fast.drill_scratch_dir
        if scratch is not None:
            disks["scratch"] = scratch
        if repository is None:
            return Places(disks, ())
        ours = repository / ".walrus-fast"
        watched = (repository / "meta", ours / "verified", ours / "runs", ours / "kept")
        return Places({"repository": repository, **disks}, watched)

    async def _survey(self) -> RepositorySurvey | None:
        repository = self._repository()
        return None if repository is None else await self._readings.survey(repository, str(self._database()))
