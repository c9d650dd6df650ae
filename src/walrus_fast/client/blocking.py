"""The client that blocks."""

from __future__ import annotations

import socket
import time
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
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from walrus_fast.rates import RateLimit

__all__ = ["AdminClient"]

_Kind = TypeVar("_Kind")


class AdminClient:
    """A connection, opened by the first call and again after a failure. Not for use from two threads.

    Every method raises ServerUnreachable, ProtocolViolation, and the errors of the operation it asks for.
    `timeout` in seconds is for each answer that should come at once; None waits for ever.
    """

    def __init__(self, path: Path, *, timeout: float | None = 30.0) -> None:
        self._path = path
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._frames = Frames(MAX_REPLY_BYTES)
        self._last_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up. Jobs go on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ping(self) -> None:
        """Return when the server has answered."""
        self._call(Ping(), Pong)

    def info(self) -> Info:
        """The server as it is now."""
        return self._call(GetInfo(), Info)

    def create(self, path: str | None = None, *, delay_secs: float = 0.0) -> Job:
        """Begin a backup; returns when the job is accepted. No path: the configured folder."""
        return self._call(Create(path, delay_secs), Job)

    def list(self, path: str | None = None) -> CheckpointList:
        """The backups of a repository, oldest first."""
        return self._call(List(path), CheckpointList, patient=True)

    def status(self, job_id: str | None = None) -> tuple[Job, ...]:
        """One job, or all of this run of the server, newest first."""
        return self._call(GetStatus(job_id), Status).jobs

    def cancel(self, job_id: str | None = None) -> Job | None:
        """Stop a job (the active one unless named); returns its final state when it has ended. None: there is none."""
        return self._call(Cancel(job_id), JobCancelled, patient=True).job

    def verify(
        self,
        path: str | None = None,
        *,
        ids: tuple[int, ...] = (),
        tier: Tier = Tier.CHECKSUMS,
        sample: str | None = None,
        scratch_dir: str | None = None,
    ) -> Job:
        """Begin to prove backups (all unless named) up to a tier; `sample` is a share of the files, such as `1/7`."""
        return self._call(Verify(path, ids, tier, sample, scratch_dir), Job)

    def drill(
        self,
        path: str | None = None,
        *,
        backup_id: int | None = None,
        scratch_dir: str | None = None,
        rows: bool = True,
        mode: TransferMode = TransferMode.AUTO,
    ) -> Job:
        """Begin to rehearse the restore of a backup, the newest unless named; without `rows` it is only opened."""
        return self._call(Drill(path, backup_id, scratch_dir, rows, mode), Job)

    def delete(self, backup_id: int, path: str | None = None) -> Job:
        """Begin to delete a backup."""
        return self._call(Delete(backup_id, path), Job)

    def prune(self, path: str | None = None, *, keep: int | None = None, dry_run: bool = False) -> Job:
        """Begin to remove all but the newest `keep` backups (max_db_checkpoints unless given)."""
        return self._call(Prune(path, keep, dry_run), Job)

    def pin(self, backup_id: int, path: str | None = None, *, pinned: bool = True) -> None:
        """Keep a backup from being removed by anything, or let go of it."""
        self._call(Pin(backup_id, path, pinned), Pinned, patient=True)

    def set_log_level(self, level: str) -> str:
        """Put log directives in force; returns them."""
        return self._call(SetLogLevel(level), LogLevel).level

    def set_limits(self, *, max_bytes_per_second: RateLimit | None = None) -> Limits:
        """Change limits, for running jobs too; returns those in force."""
        return self._call(SetLimits(max_bytes_per_second), Limits)

    def watch(self, job_id: str | None = None) -> Iterator[Job]:
        """The job as it changes; the last one is its final state. Connects again when the connection breaks.

        A generator: closing it hangs up. Raises: as every method, JobNotFound.
        """
        failures = 0
        while True:
            try:
                for job in self._watch_once(job_id):
                    failures, job_id = 0, job.job_id
                    yield job
                return
            except ServerUnreachable:
                failures += 1
                if failures > RECONNECTS or job_id is None:
                    raise
                time.sleep(RECONNECT_DELAY)
            finally:
                self.close()

    def _watch_once(self, job_id: str | None) -> Iterator[Job]:
        request_id = self._send(Watch(job_id))
        while True:
            message = self._receive(patient=True)
            if isinstance(message, Event):
                yield message.job
            else:
                yield expect(message, request_id, Job)
                return

    def _call(self, command: Command, kind: type[_Kind], *, patient: bool = False) -> _Kind:
        try:
            return expect(self._exchange(command, patient=patient), self._last_id, kind)
        except (ServerUnreachable, ProtocolViolation, KeyboardInterrupt):
            # After an interrupted call its answer may still come: it must not be taken for that of the next.
            self.close()
            raise

    def _exchange(self, command: Command, *, patient: bool) -> Message:
        self._send(command)
        return self._receive(patient=patient)

    def _send(self, command: Command) -> int:
        with translated(self._path):
            if self._socket is None:
                self._frames = Frames(MAX_REPLY_BYTES)
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._socket.settimeout(self._timeout)
                self._socket.connect(str(self._path))
            self._last_id += 1
            self._socket.sendall(encode_frame(Request(self._last_id, command)))
        return self._last_id

    def _receive(self, *, patient: bool) -> Message:
        assert self._socket is not None
        with translated(self._path):
            self._socket.settimeout(None if patient else self._timeout)
            while True:
                for payload in self._frames:
                    return decode_message(payload)
                data = self._socket.recv(CHUNK)
                if not data:
                    raise gone(self._path)
                self._frames.feed(data)
