"""Reading a file without pushing the database out of the page cache.

The kernel keeps what we read once and lets go of what the owner will read again. So what we brought in is given back;
pages that were there before us are not touched: a hard link shares them with the live database.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from walrus_fast.errors import StorageError

if TYPE_CHECKING:
    from walrus_fast.files import Files

__all__ = ["ReadOnce"]

# Which pages are there is asked a window ahead, before the kernel's reading ahead (8 MiB at most in practice) can reach
# it. Longer windows leave more time for the owner to ask for a page that we then take away.
_WINDOW_BYTES = 32 << 20
_WORTH_IT_FROM = 128 << 10  # bytes: what the kernel reads ahead by default
_PAGE_BYTES = 4096


class ReadOnce:
    """Follows one reading of `size` bytes of an open file, from its beginning to its end.

    What fails here is only advice: the file is then read as if nobody cared.
    """

    def __init__(self, files: Files, fd: int, size: int) -> None:
        self._files = files
        self._fd = fd
        self._size = size
        self._noted = 0
        self._windows: deque[tuple[int, bytes]] = deque()
        if size >= _WORTH_IT_FROM:
            self._attempt_start()

    def _attempt_start(self) -> None:
        try:
            self._files.read_in_order(self._fd)
            self._note_window()
            self._note_window()
        except StorageError:
            self._windows.clear()  # a file system without maps or advice: nothing is given back, nothing else changes

    def passed(self, offset: int) -> None:
        """Everything before `offset` was read."""
        while self._windows and offset >= self._windows[0][0] + _WINDOW_BYTES:
            self._give_back_window()

    def end(self) -> None:
        """Nothing more is read: give back the rest, with what the kernel has read ahead."""
        while self._windows:
            self._give_back_window()

    def _note_window(self) -> None:
        start = self._noted
        length = min(_WINDOW_BYTES, self._size - start)
        if length > 0:
            self._windows.append((start, self._files.cached_pages(self._fd, start, length)))
            self._noted = start + length

    def _give_back_window(self) -> None:
        try:
            self._note_window()
            start, pages = self._windows.popleft()
            for first, end in _runs_of_zeros(pages):
                offset = start + first * _PAGE_BYTES
                self._files.forget_cached(self._fd, offset, (end - first) * _PAGE_BYTES)
        except StorageError:
            self._windows.clear()  # as above


def _runs_of_zeros(pages: bytes) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    first = pages.find(0)
    while first >= 0:
        end = pages.find(1, first)
        end = len(pages) if end < 0 else end
        runs.append((first, end))
        first = pages.find(0, end)
    return runs
