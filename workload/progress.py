"""A counter that one process publishes and others read without asking it: 8 bytes, little endian, mapped."""

from __future__ import annotations

import mmap
import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

SIZE = 8


class Progress:
    """The counter file. Readers and the one writer may open it in any order."""

    def __init__(self, path: Path) -> None:
        if sys.byteorder != "little":
            raise OSError("the progress file is little endian, this machine is not")
        with path.open("a+b") as file:
            if file.seek(0, 2) < SIZE:
                file.truncate(SIZE)
            self._map = mmap.mmap(file.fileno(), SIZE)
        # A cast view stores all eight bytes at once; struct's "<Q" would store them one by one.
        self._cell = memoryview(self._map).cast("Q")

    @property
    def value(self) -> int:
        """The last value set."""
        return self._cell[0]

    @value.setter
    def value(self, number: int) -> None:
        self._cell[0] = number

    def close(self) -> None:
        """Unmap the file; idempotent."""
        self._cell.release()
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
