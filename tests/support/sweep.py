"""File operations that die, or fail, at the n-th call: the seam that `walrus_fast.files.Files` is made for."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

from walrus_fast.errors import storage_error
from walrus_fast.files import Files

if TYPE_CHECKING:
    from collections.abc import Callable

# Calls that only close or ask are not worth dying at: nothing differs between before them and after.
_QUIET = frozenset({"close", "size_of", "free_bytes", "device_of", "map_shared", "write_from", "copy_range"})


class Counting(Files):
    """Counts the calls that reach the file system and gives each to `_before`."""

    def __init__(self) -> None:
        self.calls = 0

    def _before(self, name: str) -> None:
        self.calls += 1

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if name.startswith("_") or name in _QUIET or not callable(found):
            return found
        return super().__getattribute__("_counted")(name, found)

    def _counted(self, name: str, found: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            self._before(name)
            return found(*arguments, **named)

        return call


class Dying(Counting):
    """SIGKILL instead of the n-th call."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def _before(self, name: str) -> None:
        super()._before(name)
        if self.calls == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


class Failing(Counting):
    """An error instead of the n-th call; `broken`: of every call from then on, so that cleaning up fails too."""

    def __init__(self, at: int, number: int, *, broken: bool = False) -> None:
        super().__init__()
        self._at = at
        self._number = number
        self._broken = broken
        self.failed = ""

    def _before(self, name: str) -> None:
        super()._before(name)
        if self.calls == self._at or (self._broken and self.calls > self._at):
            self.failed = self.failed or name
            raise storage_error(self._number, name, f"(call {self.calls})")


class Torn(Counting):
    """The n-th write stops in its middle: with an error, or, when `number` is 0, with SIGKILL."""

    def __init__(self, at: int, number: int = 0) -> None:
        super().__init__()
        self._at = at
        self._number = number
        self.writes = 0

    def write_all(self, fd: int, data: bytes | memoryview) -> None:
        if self._is_torn():
            super().write_all(fd, memoryview(data)[: len(data) // 2])
            self._stop("write")
        super().write_all(fd, data)

    def copy_prefix(self, source_fd: int, target_fd: int, length: int) -> None:
        if self._is_torn():
            super().copy_prefix(source_fd, target_fd, length // 2)
            self._stop("copy")
        super().copy_prefix(source_fd, target_fd, length)

    def _is_torn(self) -> bool:
        self.writes += 1
        return self.writes == self._at

    def _stop(self, name: str) -> None:
        if not self._number:
            os.kill(os.getpid(), signal.SIGKILL)
        raise storage_error(self._number, name, "(half of it is there)")


class Meanwhile(Counting):
    """The n-th call is slow: before it, something else happens."""

    def __init__(self, at: int, happening: Callable[[], object]) -> None:
        super().__init__()
        self._at = at
        self._happening = happening

    def _before(self, name: str) -> None:
        super()._before(name)
        if self.calls == self._at:
            self._happening()


class Short(Files):
    """Reads and writes a few bytes at a time."""

    def read_into(self, fd: int, buffer: memoryview) -> int:
        return super().read_into(fd, buffer[:997])

    def write_from(self, fd: int, data: memoryview) -> int:
        return super().write_from(fd, data[:499])

    def copy_range(self, source_fd: int, target_fd: int, length: int, offset: int) -> int:
        return super().copy_range(source_fd, target_fd, min(length, 1009), offset)


FAULTS = (errno.ENOSPC, errno.EIO, errno.EACCES)


def dies(work: Callable[[], object]) -> bool:
    """Run in a process of its own; whether SIGKILL ended it. Any other end than success fails the test."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(2)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the call failed instead of dying"
    return False
