"""The client that is awaited."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, TypeVar

from walrus_fast.client.connection import CHUNK, RECONNECT_DELAY, RECONNECTS, expect, gone, translated
from walrus_fast.errors import ProtocolViolation, ServerUnreachable
from walrus_fast.methods import TransferMode
from walrus_fast.protocol.frames import MAX_REPLY_BYTES, Frames, decode_message, encode_frame
from walrus_fast.protocol.jobs import Job
from walrus_fast.protocol.messages import (
    Cancel,
    CheckpointList,
    Command,
    Create,
    Delete,
    Drill,
    Event,
    GetInfo,
    GetStatus,
    Info,
    JobCancelled,
    Limits,
    List,
    LogLevel,
    Message,
    Pin,
    Ping,
    Pinned,
    Pong,
    Prune,
    Request,
    SetLimits,
    SetLogLevel,
    Status,
    Verify,
    Watch,
)
from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from walrus_fast.rates import RateLimit

__all__ = ["AsyncAdminClient"]

_CONNECT_DELAY = 0.01  # seconds between tries while the server's backlog is full
_Kind = TypeVar("_Kind")


async def _connected(path: Path) -> socket.socket:
    """A connected socket. Not asyncio's own way: it takes the EAGAIN of a full backlog for success."""
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        while True:
            try:
                connecting.connect(str(path))
            except BlockingIOError:
                await asyncio.sleep(_CONNECT_DELAY)
            else:
                return connecting
    except BaseException:
        connecting.close()
        raise


class AsyncAdminClient:
    """As `AdminClient`, for a running event loop. One call at a time."""

    def __init__(self, path: Path, *, timeout: float | None = 30.0) -> None:
        self._path = path
        self._timeout = timeout
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._frames = Frames(MAX_REPLY_BYTES)
        self._last_id = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up. Jobs go on."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def ping(self) -> None:
        """Return when the server has answered."""
        await self._call(Ping(), Pong)

    async def info(self) -> Info:
        """The server as it is now."""
        return await self._call(GetInfo(), Info)

    async def create(self, path: str | None = None, *, delay_secs: float = 0.0) -> Job:
        """Begin a backup; returns when the job is accepted. No path: the configured folder."""
        return await self._call(Create(path, delay_secs), Job)

    async def list(self, path: str | None = None) -> CheckpointList:
        """The backups of a repository, oldest first."""
        return await self._call(List(path), CheckpointList, patient=True)

    async def status(self, job_id: str | None = None) -> tuple[Job, ...]:
        """One job, or all of this run of the server, newest first."""
        return (await self._call(GetStatus(job_id), Status)).jobs

    async def cancel(self, job_id: str | None = None) -> Job | None:
        """Stop a job (the active one unless named); returns its final state when it has ended. None: there is none."""
        return (await self._call(Cancel(job_id), JobCancelled, patient=True)).job

    async def verify(
        self,
        path: str | None = None,
        *,
        ids: tuple[int, ...] = (),
        tier: Tier = Tier.CHECKSUMS,
        sample: str | None = None,
        scratch_dir: str | None = None,
    ) -> Job:
        """Begin to prove backups (all unless named) up to a tier; `sample` is a share of the files, such as `1/7`."""
        return await self._call(Verify(path, ids, tier, sample, scratch_dir), Job)

    async def drill(
        self,
        path: str | None = None,
        *,
        backup_id: int | None = None,
        scratch_dir: str | None = None,
        rows: bool = True,
        mode: TransferMode = TransferMode.AUTO,
    ) -> Job:
        """Begin to rehearse the restore of a backup, the newest unless named; without `rows` it is only opened."""
        return await self._call(Drill(path, backup_id, scratch_dir, rows, mode), Job)

    async def delete(self, backup_id: int, path: str | None = None) -> Job:
        """Begin to delete a backup."""
        return await self._call(Delete(backup_id, path), Job)

    async def prune(self, path: str | None = None, *, keep: int | None = None, dry_run: bool = False) -> Job:
        """Begin to remove all but the newest `keep` backups (max_db_checkpoints unless given)."""
        return await self._call(Prune(path, keep, dry_run), Job)

    async def pin(self, backup_id: int, path: str | None = None, *, pinned: bool = True) -> None:
        """Keep a backup from being removed by anything, or let go of it."""
        await self._call(Pin(backup_id, path, pinned), Pinned, patient=True)

    async def set_log_level(self, level: str) -> str:
        """Put log directives in force; returns them."""
        return (await self._call(SetLogLevel(level), LogLevel)).level

    async def set_limits(self, *, max_bytes_per_second: RateLimit | None = None) -> Limits:
        """Change limits, for running jobs too; returns those in force."""
        return await self._call(SetLimits(max_bytes_per_second), Limits)

    async def watch(self, job_id: str | None = None) -> AsyncIterator[Job]:
        """The job as it changes; the last one is its final state. Connects again when the connection breaks."""
        failures = 0
        while True:
            try:
                request_id = await self._send(Watch(job_id))
                while isinstance(message := await self._receive(patient=True), Event):
                    failures, job_id = 0, message.job.job_id
                    yield message.job
                yield expect(message, request_id, Job)
                return
            except ServerUnreachable:
                failures += 1
                if failures > RECONNECTS or job_id is None:
                    raise
                await asyncio.sleep(RECONNECT_DELAY)
            finally:
                self.close()

    async def _call(self, command: Command, kind: type[_Kind], *, patient: bool = False) -> _Kind:
        try:
            request_id = await self._send(command)
            return expect(await self._receive(patient=patient), request_id, kind)
        except (ServerUnreachable, ProtocolViolation, asyncio.CancelledError):
            # After a cancelled call its answer may still come: it must not be taken for that of the next.
            self.close()
            raise

    async def _send(self, command: Command) -> int:
        with translated(self._path):
            async with asyncio.timeout(self._timeout):
                if self._streams is None:
                    self._frames = Frames(MAX_REPLY_BYTES)
                    self._streams = await asyncio.open_unix_connection(sock=await _connected(self._path))
                self._last_id += 1
                self._streams[1].write(encode_frame(Request(self._last_id, command)))
                await self._streams[1].drain()
        return self._last_id

    async def _receive(self, *, patient: bool) -> Message:
        assert self._streams is not None
        with translated(self._path):
            async with asyncio.timeout(None if patient else self._timeout):
                while True:
                    for payload in self._frames:
                        return decode_message(payload)
                    data = await self._streams[0].read(CHUNK)
                    if not data:
                        raise gone(self._path)
                    self._frames.feed(data)
