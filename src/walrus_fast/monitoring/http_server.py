"""A small HTTP/1.1 server: GET and HEAD, bounded in bytes, time and connections. What is served is not known here.

h11 reads and writes the protocol; this is what it leaves to the loop. A peer that does not finish its request, or does
not read its answer, within `timeout` is cut off; when there are too many, the one that has waited longest makes room.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import h11

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

__all__ = ["HttpServer", "Request", "Response"]

_LOG = logging.getLogger(__name__)
_MOST_CONNECTIONS = 64
_LONGEST_HEAD = 16 << 10  # bytes of a request line and its headers
_IDLE_FACTOR = 12  # times `timeout` that a connection may be silent between two requests: a scrape a minute is usual
_METHODS = (b"GET", b"HEAD")


@dataclass(frozen=True, slots=True)
class Request:
    """`path` without its query; `host` as the client named us, "" when it did not."""

    path: str
    host: str


@dataclass(frozen=True, slots=True)
class Response:
    """`headers` besides length, type and connection."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def _plain(status: int, text: str) -> Response:
    return Response(status, "text/plain; charset=utf-8", f"{text}\n".encode())


class HttpServer:
    """Serves from `open` to `close`. `respond` may take its time; the loop goes on."""

    def __init__(self, respond: Callable[[Request], Awaitable[Response]], *, timeout: Callable[[], float]) -> None:
        self._respond = respond
        self._timeout = timeout
        self._connections: dict[_Connection, None] = {}
        self._server: asyncio.Server | None = None

    async def open(self, listener: socket.socket) -> None:
        """Begin to accept."""
        self._server = await asyncio.get_running_loop().create_server(self._new, sock=listener)

    def _new(self) -> _Connection:
        return _Connection(self._respond, self._timeout(), opened=self._opened, closed=self._closed)

    def _opened(self, connection: _Connection) -> None:
        if len(self._connections) >= _MOST_CONNECTIONS:
            waiting = (other for other in self._connections if not other.is_busy)
            next(waiting, next(iter(self._connections))).abort()
        self._connections[connection] = None

    def _closed(self, connection: _Connection) -> None:
        self._connections.pop(connection, None)

    async def close(self) -> None:
        """Accept no more, and end every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)  # the loop closes the transports in its next turn


class _Connection(asyncio.Protocol):
    def __init__(
        self,
        respond: Callable[[Request], Awaitable[Response]],
        timeout: float,
        *,
        opened: Callable[[_Connection], None],
        closed: Callable[[_Connection], None],
    ) -> None:
        self._respond = respond
        self._timeout = timeout
        self._opened = opened
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
        self._answering: asyncio.Task[None] | None = None
        self._half_said = False
        self._is_head = False
        self._reads = True
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an answer is being made."""
        return self._answering is not None

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer that says nothing is cut off."""
        self._transport = cast("asyncio.Transport", transport)
        self._opened(self)
        self._end_in(self._timeout)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The answer that is being made is dropped."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self._answering is not None:
            self._answering.cancel()
        self._closed(self)

    def _end_in(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take what came. While an answer is made nothing more is read, so what waits here is bounded."""
        if self._transport.is_closing():
            return
        if not self._half_said:
            self._half_said = True
            self._end_in(self._timeout)  # from the first byte on: one byte at a time gains nothing
        self._http.receive_data(data)
        self._advance()

    def eof_received(self) -> bool:
        """A peer that has said its last word still gets its answer."""
        self._http.receive_data(b"")
        self._advance()
        return self.is_busy

    def pause_writing(self) -> None:
        """The peer does not read: until it has, it is asked for nothing more."""
        self._reads = False
        self._transport.pause_reading()
        self._end_in(self._timeout)

    def resume_writing(self) -> None:
        """The peer has read."""
        self._reads = True
        if not self.is_busy and not self._transport.is_closing():
            self._next_request()

    def _advance(self) -> None:
        if self.is_busy or self._transport.is_closing():
            return
        try:
            event = self._http.next_event()
            while isinstance(event, h11.EndOfMessage):
                event = self._http.next_event()
        except h11.RemoteProtocolError as exc:
            self._refuse(_plain(exc.error_status_hint, f"not a request: {exc}"))
            return
        if isinstance(event, h11.Request):
            self._begin(event)
        elif isinstance(event, h11.ConnectionClosed):
            self._transport.close()
        elif event is h11.NEED_DATA:
            # Only now: were more read while requests wait here, one connection could fill the memory with them.
            self._transport.resume_reading()

    def _begin(self, event: h11.Request) -> None:
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
        self._is_head = event.method == b"HEAD"
        if event.method not in _METHODS:
            refusal = _plain(405, "only GET and HEAD")
            self._refuse(Response(refusal.status, refusal.content_type, refusal.body, (("Allow", "GET, HEAD"),)))
        elif headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            self._refuse(_plain(413, "a request has no body here"))
        else:
            path = event.target.decode("ascii").partition("?")[0]
            self._transport.pause_reading()
            self._answering = self._loop.create_task(self._answer(Request(path, headers.get("host", ""))))

    async def _answer(self, request: Request) -> None:
        try:
            response = await self._respond(request)
        except Exception:  # noqa: BLE001  (a fault of ours costs this answer, and neither the node nor its jobs)
            _LOG.exception("a request for %s failed by a fault of the server", request.path)
            response = _plain(500, "a fault of the server; its log has more")
        self._answering = None
        self._write(response)
        if self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()
        elif self._reads and not self._transport.is_closing():
            self._next_request()

    def _next_request(self) -> None:
        self._is_head = False
        self._half_said = bool(self._http.trailing_data[0])
        self._end_in(self._timeout if self._half_said else self._timeout * _IDLE_FACTOR)
        if self._http.our_state is h11.DONE:
            # The end of a request without a body is still to be taken before the next one may begin.
            while self._http.their_state is h11.SEND_BODY:
                self._http.next_event()
            self._http.start_next_cycle()
        self._loop.call_soon(self._advance)

    def _refuse(self, response: Response) -> None:
        """Say why, and close; what else the peer says is not read."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._write(response)
        self._transport.close()

    def _write(self, response: Response) -> None:
        if self._transport.is_closing():
            return
        headers = [
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
            *response.headers,
        ]
        parts = [self._http.send(h11.Response(status_code=response.status, headers=headers))]
        if not self._is_head:
            parts.append(self._http.send(h11.Data(data=response.body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        self._transport.write(b"".join(part for part in parts if part))
