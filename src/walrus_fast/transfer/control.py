"""The control block: counters that workers write and the parent reads, and a rate that goes the other way.

It is an anonymous file in memory (`memfd`), mapped by every process; workers open it through
`/proc/<parent>/fd/<n>`. Each task has a line of its own, so nobody ever writes what another writes. Layout, in
unsigned 64-bit words: rate in bytes/s for each running task (0: unlimited), whether all shall stop (1), then per
task: bytes done, files done.
"""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.durable import undone_by
from walrus_fast.errors import Cancelled, storage_error

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from walrus_fast.files import Files

__all__ = ["ControlBlock", "OwnerWatch", "Pacer", "Progress", "TaskCounters"]

_RATE, _STOP, _HEADER = 0, 1, 2
_WORD = 8


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is. Bytes are those of file contents, however often they moved."""

    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int


class ControlBlock:
    """The parent's side."""

    def __init__(self, files: Files, tasks: int) -> None:
        length = (_HEADER + 2 * max(tasks, 1)) * _WORD
        self._fd = _in_memory(length)
        with undone_by(lambda: os.close(self._fd)):
            self._map = files.map_shared(self._fd, length)
        self._words = memoryview(self._map).cast("Q")
        self.path = f"/proc/{os.getpid()}/fd/{self._fd}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._words.release()
        self._map.close()
        os.close(self._fd)

    def set_rate(self, bytes_per_second: int) -> None:
        """Limit every running task, from its next chunk on; 0 lifts the limit."""
        self._words[_RATE] = bytes_per_second

    def stop(self) -> None:
        """Have every running task end with `Cancelled` at its next chunk."""
        self._words[_STOP] = 1

    def done(self) -> tuple[int, int]:
        """(bytes, files) done so far by all tasks."""
        counters = self._words[_HEADER:]
        return sum(counters[0::2]), sum(counters[1::2])


def _in_memory(length: int) -> int:
    """A descriptor of that many bytes of memory. Raises: StorageError when there is none, or no descriptor."""
    try:
        fd = os.memfd_create("walrus-fast-control", os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, length)
        except OSError:
            os.close(fd)
            raise
    except OSError as exc:
        raise storage_error(exc.errno or 0, "make", "the counters of a transfer") from exc
    return fd


class TaskCounters:
    """The worker's side: one task's counters, and the rate it must keep."""

    def __init__(self, files: Files, path: str, slot: int) -> None:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as exc:
            raise storage_error(exc.errno or 0, "open", "the counters of a transfer") from exc
        try:
            self._map: mmap.mmap = files.map_shared(fd, os.fstat(fd).st_size)
        finally:
            os.close(fd)
        self._words = memoryview(self._map).cast("Q")
        self._at = _HEADER + 2 * slot
        self._words[self._at] = self._words[self._at + 1] = 0

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._map.close()

    @property
    def rate(self) -> int:
        """Bytes a second that this task may move now; 0 is unlimited."""
        return self._words[_RATE]

    @property
    def stopped(self) -> bool:
        """Whether this task shall end without finishing."""
        return self._words[_STOP] != 0

    def add_bytes(self, count: int) -> None:
        """Count progress."""
        self._words[self._at] += count

    def add_file(self) -> None:
        """Count a finished file."""
        self._words[self._at + 1] += 1


class OwnerWatch:
    """Notices the end of the process that waits for a task's answer, however it ended.

    A worker's parent does not tell: it is the fork server, which lives as long as any worker does, because each
    holds the pipe whose end would stop it. A task that runs in its owner has nothing to watch.
    """

    def __init__(self, owner: int) -> None:
        self._fd = -1
        self._poll = select.poll()
        if owner == os.getpid():
            return
        try:
            self._fd = os.pidfd_open(owner)
        except ProcessLookupError as exc:
            raise Cancelled(f"process {owner}, which asked for this work, is gone") from exc
        self._poll.register(self._fd, select.POLLIN)

    def close(self) -> None:
        """Stop watching."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def check(self) -> None:
        """Raises: Cancelled when the owner is gone."""
        if self._fd >= 0:
            self.sleep(0)

    def sleep(self, seconds: float) -> None:
        """Sleep, but not longer than the owner lives. Raises: Cancelled when it is gone."""
        if self._fd < 0:
            time.sleep(seconds)
        elif self._poll.poll(seconds * 1000):
            raise Cancelled("the process that asked for this work is gone")


class Pacer:
    """Holds a task to the rate in its counters. Bytes read and bytes written both count."""

    _LONGEST_NAP = 0.2  # seconds: a changed rate takes effect within this time

    def __init__(
        self,
        counters: TaskCounters,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counters = counters
        self._sleep = sleep
        self._clock = clock
        self._due = clock()

    def spend(self, count: int) -> None:
        """Account for `count` bytes moved, and sleep as long as the rate asks for."""
        rate = self._counters.rate
        now = self._clock()
        if rate == 0:
            self._due = now
            return
        # Idle time is not saved up: a burst after a pause would be felt by the owner like no limit at all.
        self._due = max(self._due, now - 0.05) + count / rate
        while (wait := self._due - self._clock()) > 0:
            self._sleep(min(wait, self._LONGEST_NAP))
            before, rate = rate, self._counters.rate
            if self._counters.stopped or rate == 0:
                self._due = self._clock()
                return
            if rate != before:  # what is owed stays owed: a rate that changes four times a second would not hold
                now = self._clock()
                self._due = now + max(0.0, self._due - now) * before / rate
