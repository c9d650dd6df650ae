"""One probe as its parent sees it: a process, what it has said so far, and in the end a verdict."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from walrus_fast.errors import WorkerDied
from walrus_fast.probe.messages import (
    FamilyRead,
    ProbeEnd,
    ProbeFailure,
    ProbeMessage,
    ProbePace,
    ProbeProgress,
    ProbeStep,
)

if TYPE_CHECKING:
    from walrus_fast.probe.messages import ProbeRequest

__all__ = ["ProbeVerdict", "RunningProbe"]

_STDERR_BYTES = 600
_DECODER = msgspec.json.Decoder(ProbeMessage)


@dataclass(frozen=True, slots=True)
class ProbeVerdict:
    """What a probe found. `failure` says why the database was not opened, or what the probe died of, in words;
    `families` are those that it came to. `sequence` is None after a failure."""

    families: tuple[FamilyRead, ...]
    failure: str
    sequence: int | None
    open_seconds: float
    read_seconds: float


class RunningProbe:
    """Started by its constructor; `stop` (or the end of this process) kills it. Not for use from two threads."""

    def __init__(self, request: ProbeRequest) -> None:
        # In memory: a restore must not fail because /tmp is full, or not there (a container with a read-only root).
        self._errors: BinaryIO = os.fdopen(os.memfd_create("probe"), "w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "walrus_fast.probe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is the parent's to handle
        )
        self._unread = b""
        self._families: list[FamilyRead] = []
        self._doing = "starting"
        self._failure = ""
        self._end: ProbeEnd | None = None
        self._rate = request.rate
        self.bytes_done = 0
        self.heard_at = time.monotonic()
        self._tell(msgspec.json.encode(request))

    def fileno(self) -> int:
        """Readable when it has something to say."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def set_rate(self, rate: int) -> None:
        """Bytes a second from now on, 0 for no limit."""
        if rate != self._rate:
            self._rate = rate
            self._tell(msgspec.json.encode(ProbePace(rate)))

    def _tell(self, line: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died; `listen` will see the end of its words

    def listen(self) -> bool:
        """Take what it says; blocks unless `fileno` is readable. False when that was the last word."""
        data = os.read(self.fileno(), 1 << 16)
        self.heard_at = time.monotonic()
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._hear(_DECODER.decode(line))
        return bool(data)

    def _hear(self, message: ProbeMessage) -> None:
        match message:
            case ProbeStep():
                self._doing = message.doing
            case ProbeProgress():
                self.bytes_done = message.bytes
            case FamilyRead():
                self._families.append(message)
                self.bytes_done = sum(family.bytes for family in self._families)
            case ProbeFailure():
                self._failure = message.error
            case ProbeEnd():
                self._end = message

    def give_up(self, seconds: float) -> None:
        """It has been silent for so long: kill it, and say so in the verdict."""
        self._failure = f"RocksDB said nothing for {seconds:.0f} s while {self._doing}"
        self._process.kill()

    def verdict(self) -> ProbeVerdict:
        """What it found; waits for its end, so call it after `listen` was False or after `give_up`.

        Raises: WorkerDied when the probe itself could not work, which says nothing about the database.
        """
        status = self._process.wait()
        if not self._failure and self._end is None:
            if status > 0:
                raise WorkerDied(f"the probe ended with exit status {status}{self._last_words()}", hint="")
            self._failure = f"RocksDB crashed ({_cause(status)}) while {self._doing}{self._last_words()}"
        end = self._end
        self.stop()
        return ProbeVerdict(
            families=tuple(self._families),
            failure=self._failure,
            sequence=end.sequence if end else None,
            open_seconds=end.open_seconds if end else 0.0,
            read_seconds=end.read_seconds if end else 0.0,
        )

    def _last_words(self) -> str:
        size = os.fstat(self._errors.fileno()).st_size
        self._errors.seek(max(0, size - _STDERR_BYTES))
        words = " ".join(self._errors.read().decode("utf-8", "replace").split())
        return f": {words}" if words else ""

    def stop(self) -> None:
        """Kill it if it still runs, and wait for its end. Fine to call twice."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass  # a rate that it never read


def _cause(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
