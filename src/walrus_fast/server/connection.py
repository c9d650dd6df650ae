"""One connection: bytes in, bytes out, within bounds. What a request means is not known here.

Every buffer has a limit: a request that is too long ends the connection, a peer that does not read is not read
from, and one that leaves a request half-said or does not read for `timeout` seconds is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from walrus_fast.errors import PeerRefused, ProtocolViolation, QueueFull, WalrusFastError
from walrus_fast.protocol.frames import MAX_REQUEST_BYTES, Frames, decode_request, encode_frame
from walrus_fast.protocol.jobs import ErrorBody, error_body
from walrus_fast.protocol.messages import Done, Event, Failure, Watch
from walrus_fast.server.socket import peer_uid

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    import msgspec

    from walrus_fast.protocol.messages import Answer, Command, Request
    from walrus_fast.server.jobs import JobRecord

__all__ = ["Connection", "Services"]

_LOG = logging.getLogger(__name__)
_OPEN_REQUESTS = 16  # of one connection, unanswered
_AT_A_TIME = 32  # requests of one connection before the others get their turn
_HIGH_WATER = 1 << 18  # bytes that wait for the peer to read them
_IDLE_FACTOR = 60  # a connection without an open request may be silent this many times `timeout`
_LINE = ord("{")


@dataclass(frozen=True, slots=True)
class Services:
    """What requests are handed to. `answer` gives the answer, or promises it; `line` answers a line of JSON."""

    answer: Callable[[Command], Answer | Awaitable[Answer]]
    watched: Callable[[str | None], JobRecord]
    line: Callable[[bytes], Awaitable[bytes]]


class Connection(asyncio.Protocol):
    """Created by the loop for each peer. `opened` and `closed` are told of its life."""

    def __init__(
        self,
        services: Services,
        *,
        timeout: float,
        opened: Callable[[Connection], bool],
        closed: Callable[[Connection], None],
    ) -> None:
        self._services = services
        self._timeout = timeout
        self._opened = opened
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._frames = Frames(MAX_REQUEST_BYTES)
        self._lines: deque[bytes] | None = None  # None: not a connection of JSON lines
        self._text = bytearray()
        self._requests: set[asyncio.Task[None]] = set()
        self._heard = self._loop.time()
        self._half_since: float | None = self._heard  # a connection that says nothing at all is half a request
        self._stuck_since: float | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check who it is."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(_HIGH_WATER)
        uid = peer_uid(cast("socket.socket", transport.get_extra_info("socket")))
        room = self._opened(self)
        if uid not in (0, os.geteuid()):
            _LOG.warning("refused a connection of uid %d", uid)
            self._end(PeerRefused(f"uid {uid} may not give orders to this server, which runs as {os.geteuid()}"))
        elif not room:
            self._end(QueueFull("the server has as many connections as it may have"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """What the peer waited for is dropped; jobs go on."""
        self._ending = True
        for task in self._requests:
            task.cancel()
        self._writable.set()
        self._closed(self)

    def pause_writing(self) -> None:
        """The peer does not read as fast as it asks: nothing more is read from it until it does."""
        self._writable.clear()
        self._stuck_since = self._loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The peer has read."""
        self._writable.set()
        self._stuck_since = None
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Take what came, and do the requests that are whole."""
        if self._ending:
            return
        self._heard = self._loop.time()
        if self._lines is None and data[0] == _LINE and not self._frames.used:
            self._lines = deque()
        if self._lines is not None:
            self._text += data
        else:
            self._frames.feed(data)
        self._proceed()

    def overdue(self, now: float) -> str | None:
        """Why this peer should be cut off at loop time `now`, in words; None when it may stay."""
        if self._stuck_since is not None and now - self._stuck_since > self._timeout:
            return "it does not read its answers"
        if self._half_since is not None and now - self._half_since > self._timeout:
            return "it does not finish its request"
        if not self._requests and now - self._heard > self._timeout * _IDLE_FACTOR:
            return "it is silent"
        return None

    def abort(self) -> None:
        """End at once, whatever waits to be sent."""
        self._transport.abort()

    def close(self) -> None:
        """End when what waits is sent; a peer that does not read is aborted by `overdue`."""
        self._ending = True
        self._transport.close()

    def _proceed(self) -> None:
        try:
            more = self._take_frames() if self._lines is None else self._take_lines(self._lines)
        except ProtocolViolation as exc:
            self._end(exc)
            return
        if more:
            self._transport.pause_reading()
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._ending or not self._writable.is_set():
            return
        self._transport.resume_reading()
        self._proceed()

    def _take_frames(self) -> bool:
        """Do whole requests; True when there may be more for the next turn."""
        done = 0
        for payload in self._frames:
            self._do(decode_request(payload))
            done += 1
            if done == _AT_A_TIME or not self._writable.is_set():
                break
        self._note_half(partial=self._frames.partial, progressed=done > 0)
        return done == _AT_A_TIME and self._writable.is_set()

    def _note_half(self, *, partial: bool, progressed: bool) -> None:
        if not partial:
            self._half_since = None
        elif progressed or self._half_since is None:
            self._half_since = self._heard

    def _do(self, request: Request) -> None:
        if isinstance(request.command, Watch):
            self._begin(request.id, self._watch(request.id, request.command))
            return
        try:
            answer = self._services.answer(request.command)
        except WalrusFastError as exc:
            self._send(Failure(request.id, error_body(exc)))
            return
        if hasattr(answer, "__await__"):
            self._begin(request.id, self._later(request.id, cast("Awaitable[Answer]", answer)))
        else:
            self._send(Done(request.id, answer))

    def _begin(self, request_id: int, work: Coroutine[Any, Any, None]) -> None:
        if len(self._requests) >= _OPEN_REQUESTS:
            work.close()
            full = QueueFull(f"this connection waits for {_OPEN_REQUESTS} answers already")
            self._send(Failure(request_id, error_body(full)))
            return
        task = self._loop.create_task(self._guarded(request_id, work))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _guarded(self, request_id: int, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except WalrusFastError as exc:
            self._send(Failure(request_id, error_body(exc)))
        except Exception as exc:  # noqa: BLE001  (a fault of ours must not cost more than this request)
            _LOG.exception("a request failed by a fault of the server")
            self._send(Failure(request_id, ErrorBody("internal", f"{type(exc).__name__}: {exc}", "Please report it.")))

    async def _later(self, request_id: int, answer: Awaitable[Answer]) -> None:
        self._send(Done(request_id, await answer))

    async def _watch(self, request_id: int, command: Watch) -> None:
        record = self._services.watched(command.job_id)
        while not record.job.state.is_final:
            self._send(Event(request_id, record.job))
            await record.changed()
            await self._writable.wait()  # a slow reader gets the newest state and misses those between
        self._send(Done(request_id, record.job))

    def _take_lines(self, lines: deque[bytes]) -> bool:
        *whole, rest = self._text.split(b"\n")
        if len(rest) > MAX_REQUEST_BYTES or any(len(line) > MAX_REQUEST_BYTES for line in whole):
            raise ProtocolViolation(f"a line of more than {MAX_REQUEST_BYTES} bytes")
        self._text = bytearray(rest)
        lines.extend(bytes(line) for line in whole)
        if lines and not self._requests:
            self._begin(0, self._answer_lines(lines))
        self._note_half(partial=bool(rest), progressed=bool(whole))
        if len(lines) > _OPEN_REQUESTS:
            self._transport.pause_reading()
        return False

    async def _answer_lines(self, lines: deque[bytes]) -> None:
        """One after the other, as the original does."""
        while lines:
            self._write(await self._services.line(lines.popleft()))
            await self._writable.wait()
        if not self._ending:
            self._transport.resume_reading()

    def _send(self, message: msgspec.Struct) -> None:
        self._write(encode_frame(message))

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def _end(self, error: WalrusFastError) -> None:
        """Say why, and close."""
        if self._lines is None:
            self._send(Failure(0, error_body(error)))
        self._half_since = self._heard  # from now on it is a matter of reading this answer
        self.close()
