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
_QUIET = frozenset({"close", "size_of", "free_bytes", "device_of", "map_shared"})


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
