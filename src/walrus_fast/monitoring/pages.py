"""What each path answers: `/`, `/status.json`, `/metrics`, `/healthz`. All of it is made in a thread, one at a time."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from walrus_fast.monitoring.gauges import gauges_of
from walrus_fast.monitoring.http_server import Response
from walrus_fast.monitoring.status import status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric

    from walrus_fast.monitoring.counters import Counters
    from walrus_fast.monitoring.http_server import Request
    from walrus_fast.monitoring.state import View
    from walrus_fast.monitoring.status_page import StatusPage

__all__ = ["Pages"]

_TEXT = "text/plain; charset=utf-8"


class Pages:
    """`view` is asked on the loop and takes no time. `only_local`: a name that is not of this machine is refused, for a
    browser on it may have been sent here by a page of somebody else's (DNS rebinding)."""

    def __init__(
        self, view: Callable[[], View], counters: Counters, page: StatusPage, *, only_local: Callable[[], bool]
    ) -> None:
        self._view = view
        self._counters = counters
        self._page = page
        self._only_local = only_local
        self._turn = asyncio.Lock()

    async def respond(self, request: Request) -> Response:
        """The answer to a request. Reads nothing but memory (and /proc, in a thread)."""
        if self._only_local() and not _is_of_this_machine(request.host):
            return Response(421, _TEXT, b"this is not the name of this machine\n")
        if request.path == "/healthz":
            stopping = self._view().node.stopping
            return Response(503 if stopping else 200, _TEXT, b"stopping\n" if stopping else b"ok\n")
        make = {"/": self._html, "/status.json": self._json, "/metrics": self._metrics}.get(request.path)
        if make is None:
            return Response(404, _TEXT, b"there is /, /status.json, /metrics and /healthz\n")
        async with self._turn:  # a crowd of askers must not share the interpreter with the loop
            return await asyncio.to_thread(make, self._view())

    def _html(self, view: View) -> Response:
        headers = (("Content-Security-Policy", self._page.policy), ("Referrer-Policy", "no-referrer"))
        return Response(200, "text/html; charset=utf-8", self._page.render(status_of(view)), headers)

    def _json(self, view: View) -> Response:
        return Response(200, "application/json", msgspec.json.encode(status_of(view)))

    def _metrics(self, view: View) -> Response:
        return Response(200, CONTENT_TYPE_LATEST, generate_latest(_All(self._counters, view)))


class _All:
    """Counters and gauges in one exposition."""

    def __init__(self, counters: Counters, view: View) -> None:
        self._counters = counters
        self._view = view

    def collect(self) -> Iterator[Metric]:
        yield from self._counters.collect()
        yield from gauges_of(self._view)


def _is_of_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
