"""The composition root: builds the node from its configuration, runs it, and takes it down in order."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import resource
import secrets
import signal
import time
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

import uvloop

from walrus_fast.config.load import load_config
from walrus_fast.config.model import LogFormat, Mode
from walrus_fast.errors import ConfigInvalid
from walrus_fast.server.commands import Commands, Vitals
from walrus_fast.server.connection import Services
from walrus_fast.server.hooks import Hooks, HookSettings
from walrus_fast.server.job_spec import CreateTask, Stop
from walrus_fast.server.jobs import JobBoard
from walrus_fast.server.json_lines import JsonLines
from walrus_fast.server.listener import Listener
from walrus_fast.server.logs import Logs
from walrus_fast.server.notify import Notifier
from walrus_fast.server.observed import Observed
from walrus_fast.server.owner import Owner
from walrus_fast.server.readings import Readings
from walrus_fast.server.reload import Reloader
from walrus_fast.server.runner import JobRunner, Patience
from walrus_fast.server.schedule import Schedule
from walrus_fast.server.scheduled import ScheduledBackups, ScheduledDrills, ScheduledVerifications, WakefulClock
from walrus_fast.server.slots import Slots
from walrus_fast.server.socket import metrics_socket, unix_socket
from walrus_fast.snapshot.pin_folder import default_pin_directory
from walrus_fast.version import VERSION

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine
    from pathlib import Path
    from typing import Any

    from walrus_fast.config.load import LoadedConfig
    from walrus_fast.monitoring.monitor import Monitor
    from walrus_fast.protocol.jobs import Job
    from walrus_fast.server.jobs import JobRecord
    from walrus_fast.server.scheduled import Scheduled

__all__ = ["serve"]

_LOG = logging.getLogger(__name__)
_STOP = Stop(False, "the server is stopping")


def serve(config_path: Path, *, drain: bool) -> None:
    """Run a node until SIGTERM or SIGINT; with `drain` running jobs are finished first, else cancelled.

    Raises: ConfigInvalid, SocketInUse, SocketUnusable, DatabaseError, StorageError. The socket's name is gone after.
    """
    loaded = load_config(config_path)
    path, shown_at = loaded.values.admin_socket_path, loaded.values.walrus_fast.metrics_address
    if path is None and shown_at is None and not loaded.values.checkpoint_config.periodic_db_checkpoints:
        raise ConfigInvalid(
            f"{config_path} gives this node nothing to do: neither admin_socket_path nor a schedule nor "
            "metrics_address is set"
        )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        # The socket first: it sets the umask, so nothing else may run; and a second server must not get further.
        listening = stack.enter_context(unix_socket(path, key="admin_socket_path")) if path is not None else None
        showing = stack.enter_context(metrics_socket(shown_at)) if shown_at is not None else None
        ours = loaded.values.walrus_fast
        as_json = None if ours.log_format is LogFormat.AUTO else ours.log_format is LogFormat.JSON
        logs = Logs(ours.log_level, as_json=as_json)
        logs.start()
        stack.callback(logs.stop)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_Node(loaded, logs, drain=drain).run(listening, showing))


class _Node:
    """Everything there is one of, tied together."""

    def __init__(self, loaded: LoadedConfig, logs: Logs, *, drain: bool) -> None:
        self._reloader = Reloader(loaded)
        self._drain = drain
        self._started = time.time()
        config = self._reloader.config
        self._slots = Slots(lambda: config().checkpoint_config.max_background_operations)
        self._board = JobBoard(secrets.token_hex(2), now=time.time, told=self._job_changed)
        self._runner = JobRunner(
            self._slots,
            patience=lambda: Patience(config().walrus_fast.job_timeout, config().walrus_fast.stop_timeout),
            prepare=self._prepare,
            pin_dir=self._pin_dir,
            ended=Hooks(self._hook_settings, lambda: self._reloader.database).run,
            now=time.time,
        )
        readings = Readings()
        self._commands = Commands(
            config=config,
            database=lambda: self._reloader.database,
            board=self._board,
            runner=self._runner,
            slots=self._slots,
            readings=readings,
            logs=logs,
            vitals=self._vitals,
        )
        lines = JsonLines(self._commands.answer, self._board.find, self._creating)
        self._listener = Listener(
            Services(self._commands.answer, self._board.find, lines.line),
            timeout=lambda: config().walrus_fast.peer_timeout,
            most=lambda: config().walrus_fast.max_connections,
        )
        self._clocks: list[WakefulClock] = []
        self._backups = self._schedule(ScheduledBackups(config, self._commands, readings))
        self._verifications = self._schedule(ScheduledVerifications(config, self._commands, readings, time.time))
        self._drills = self._schedule(ScheduledDrills(config, self._commands, readings, time.time))
        self._monitor = self._observed(readings) if config().walrus_fast.metrics_address is not None else None
        self._notifier = Notifier(dict(os.environ))
        self._owner: Owner | None = None
        if config().walrus_fast.mode is Mode.OWN:
            self._owner = Owner(loaded.database, config().walrus_fast.wal_dir)
        self._stopping = asyncio.Event()
        self._reloading: asyncio.Task[None] | None = None

    def _observed(self, readings: Readings) -> Monitor:
        return Observed(
            config=self._reloader.config,
            database=lambda: self._reloader.database,
            board=self._board,
            runner=self._runner,
            slots=self._slots,
            commands=self._commands,
            readings=readings,
            vitals=self._vitals,
        ).monitor()

    def _job_changed(self, before: Job, after: Job) -> None:
        if self._monitor is not None:
            self._monitor.job_changed(before, after)

    def _schedule(self, scheduled: Scheduled) -> Schedule:
        clock = WakefulClock()  # each its own: who wakes first would keep the others asleep
        self._clocks.append(clock)
        return Schedule(
            clock,
            scheduled.pace,
            what=scheduled.what,
            last=scheduled.last,
            run_once=scheduled.run_once,
            chance=random.SystemRandom().random,
        )

    async def run(self, listening: socket.socket | None, showing: socket.socket | None) -> None:
        """From start to stop: orders come by `listening`, metrics and the status page go by `showing`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_on, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        await self._commands.limit_rate(self._reloader.config().walrus_fast.max_bytes_per_second.limit)
        async with AsyncExitStack() as stack:
            if self._owner is not None:
                await self._owner.open()
                stack.push_async_callback(self._owner.close)
            if listening is not None:
                await self._listener.open(listening)
                stack.push_async_callback(self._listener.close)
            schedules = (self._backups, self._verifications, self._drills)
            background = [loop.create_task(schedule.run()) for schedule in schedules]
            background.append(loop.create_task(self._listener.cut_off_overdue()))
            if self._monitor is not None and showing is not None:
                await self._monitor.open(showing)
                stack.push_async_callback(self._monitor.close)
                background.append(loop.create_task(self._monitor.run()))
                _LOG.info("metrics and the status page are at %s", _address_of(showing))
            if self._notifier.watchdog_seconds is not None:
                background.append(loop.create_task(self._say_alive(self._notifier.watchdog_seconds)))
            stack.push_async_callback(_cancel, background)
            self._notifier.ready()
            self._announce()
            await _first_to_end(self._stopping.wait(), background)
            self._notifier.stopping()
            await self._end_jobs()
        _LOG.info("stopped")

    def _announce(self) -> None:
        config = self._reloader.config()
        for warning in self._reloader.loaded.warnings:
            _LOG.warning("%s: %s", self._reloader.loaded.path, warning)
        _LOG.info("walrus-fast %s, process %d, database %s", VERSION, os.getpid(), self._reloader.database)
        if config.admin_socket_path is not None:
            _LOG.info("the admin socket is %s", config.admin_socket_path)

    async def _end_jobs(self) -> None:
        self._commands.accepts_jobs = False
        self._listener.refuse_new()
        active = self._board.active
        _LOG.info("stopping; %d jobs are %s", len(active), "finished first" if self._drain else "cancelled")
        for record in active:
            if not self._drain or record.job.started is None:
                record.request_stop(_STOP)
        await self._runner.wait_for_all()

    def _stop_on(self, number: int) -> None:
        _LOG.info("%s", signal.Signals(number).name)
        if self._stopping.is_set():
            self._drain = False  # asked twice: do not wait for long jobs any more
            for record in self._board.active:
                record.request_stop(_STOP)
        self._stopping.set()

    def _reload_soon(self) -> None:
        self._reloading = asyncio.get_running_loop().create_task(self._reload())

    async def _reload(self) -> None:
        self._notifier.reloading()
        if await self._reloader.reload():
            await self._commands.limit_rate(self._reloader.config().walrus_fast.max_bytes_per_second.limit)
            for clock in self._clocks:
                clock.wake()
            if self._monitor is not None:
                self._monitor.configuration_changed()
        self._notifier.ready()

    async def _say_alive(self, every: float) -> None:
        while True:
            self._notifier.alive()
            await asyncio.sleep(every)

    async def _prepare(self, record: JobRecord) -> None:
        if self._owner is not None and isinstance(record.task, CreateTask) and record.task.sync:
            await self._owner.flush()

    def _pin_dir(self) -> str | None:
        config = self._reloader.config()
        return str(config.walrus_fast.pin_dir or default_pin_directory(self._reloader.database))

    def _hook_settings(self) -> HookSettings:
        ours = self._reloader.config().walrus_fast
        return HookSettings(ours.on_success, ours.on_failure, ours.hook_timeout)

    def _creating(self) -> JobRecord | None:
        """The backup job that works, or else the first one that waits."""
        jobs = [record for record in self._board.active if record.job.kind == "create"]
        return min(jobs, key=lambda record: record.job.started is None, default=None)

    def _vitals(self) -> Vitals:
        return Vitals(
            self._started,
            self._listener.count,
            self._backups.next_due,
            self._verifications.next_due,
            self._drills.next_due,
        )


def _address_of(listener: socket.socket) -> str:
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    return f"http://{f'[{name[0]}]' if ':' in name[0] else name[0]}:{name[1]}/"


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _first_to_end(waiting: Coroutine[Any, Any, object], background: list[asyncio.Task[None]]) -> None:
    """Wait for the stop; a task of the background that ends by itself is a fault, and raised."""
    stop = asyncio.ensure_future(waiting)
    await asyncio.wait({stop, *background}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    for task in background:
        if task.done():
            task.result()
