"""All connections: lets them in up to a number, and cuts off those that are overdue."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

from walrus_fast.server.connection import Connection
from walrus_fast.server.socket import BACKLOG

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from walrus_fast.server.connection import Services

__all__ = ["Listener"]

_LOG = logging.getLogger(__name__)


class Listener:
    """Accepts from `open` to `close`."""

    def __init__(self, services: Services, *, timeout: Callable[[], float], most: Callable[[], int]) -> None:
        self._services = services
        self._timeout = timeout
        self._most = most
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def count(self) -> int:
        """Connections now."""
        return len(self._connections)

    async def open(self, listener: socket.socket) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        # From Python 3.13 on the loop would look after the socket's file, with calls that block; `admin_socket` does.
        ours: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
        self._server = await loop.create_unix_server(self._new, sock=listener, backlog=BACKLOG, **ours)

    def _new(self) -> Connection:
        return Connection(
            self._services, timeout=self._timeout(), opened=self._opened, closed=self._connections.discard
        )

    def _opened(self, connection: Connection) -> bool:
        self._connections.add(connection)
        return len(self._connections) <= self._most()

    async def cut_off_overdue(self) -> None:
        """Look at every connection, a few times within its timeout; runs until cancelled."""
        loop = asyncio.get_running_loop()
        suspects: set[Connection] = set()
        while True:
            await asyncio.sleep(min(1.0, self._timeout() / 4))
            now = loop.time()
            overdue = {peer: why for peer in self._connections if (why := peer.overdue(now)) is not None}
            for connection, why in overdue.items():
                # At the second look only: at the first, what it sent may lie unread because we were late.
                if connection in suspects:
                    _LOG.info("cut off a connection: %s", why)
                    connection.abort()
            suspects = set(overdue)

    def refuse_new(self) -> None:
        """Accept no more; the connections there are go on."""
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        """End every connection. Answers that wait to be sent get a moment to be."""
        self.refuse_new()
        for connection in list(self._connections):
            connection.close()
        for _ in range(10):
            if not self._connections:
                break
            await asyncio.sleep(0.02)  # a transport closes when its buffer is sent; there is no event for that
        for connection in list(self._connections):
            connection.abort()
