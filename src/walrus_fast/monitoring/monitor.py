"""The monitor of a node: everything in this package, tied together."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from walrus_fast.monitoring.counters import Counters
from walrus_fast.monitoring.disks import DiskReading, DiskWatch
from walrus_fast.monitoring.http_server import HttpServer
from walrus_fast.monitoring.job_watch import JobWatch
from walrus_fast.monitoring.pages import Pages
from walrus_fast.monitoring.repository_watch import RepositoryWatch
from walrus_fast.monitoring.state import View
from walrus_fast.monitoring.status_page import StatusPage

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from walrus_fast.files import Files
    from walrus_fast.monitoring.disks import Places
    from walrus_fast.monitoring.state import NodeState
    from walrus_fast.protocol.jobs import Job
    from walrus_fast.protocol.survey import RepositorySurvey

__all__ = ["Monitor"]

_LAG_EVERY = 0.5  # seconds


class Monitor:
    """`node` and `places` are asked whenever something is to be shown; `survey` reads the repository off the loop, None
    where there is none. `job_changed` is to be told of every change of a job."""

    def __init__(
        self,
        files: Files,
        *,
        node: Callable[[], NodeState],
        places: Callable[[], Places],
        survey: Callable[[], Awaitable[RepositorySurvey | None]],
        timeout: Callable[[], float],
        only_local: Callable[[], bool],
    ) -> None:
        self._node = node
        self._counters = Counters()
        self._jobs = JobWatch(self._counters, repository=lambda: node().repository, monotonic=time.monotonic)
        self._repository = RepositoryWatch(survey)
        self._disks = DiskWatch(files, places, self._on_reading)
        self._changes: tuple[int, ...] | None = None
        pages = Pages(self._view, self._counters, StatusPage(), only_local=only_local)
        self._server = HttpServer(pages.respond, timeout=timeout)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self, listener: socket.socket) -> None:
        """Begin to serve, and to read the disks."""
        self._loop = asyncio.get_running_loop()
        await self._server.open(listener)
        self._disks.start()

    async def run(self) -> None:
        """Keep the readings fresh until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repository.run())
            group.create_task(self._measure_lag())

    async def close(self) -> None:
        """Serve no more."""
        self._disks.stop()
        await self._server.close()

    def job_changed(self, before: Job, after: Job) -> None:
        """A job has a new state."""
        self._jobs.changed(before, after)
        if after.state.is_final:
            self._repository.look_soon()

    def configuration_changed(self) -> None:
        """The repository may be another one."""
        self._repository.look_soon()

    async def _measure_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_EVERY
            await asyncio.sleep(_LAG_EVERY)
            self._counters.lag_seconds.observe(max(0.0, loop.time() - due))

    def _on_reading(self, reading: DiskReading) -> None:
        """In the thread that reads."""
        before, self._changes = self._changes, reading.changes
        if before is not None and before != reading.changes and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._repository.look_soon)
            except RuntimeError:
                pass  # the loop has ended: nobody looks any more

    def _view(self) -> View:
        return View(
            node=self._node(),
            survey=self._repository.survey,
            survey_seconds=self._repository.seconds,
            survey_error=self._repository.error,
            disks=self._disks.newest,
            fills_in=self._disks.fills_in,
            rates=self._jobs.rates,
            failures=dict(self._jobs.failures),
        )
