"""How full the disks are, and whether anybody has changed the repository: asked in a thread of its own, for a question
about a dead network mount never returns."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.errors import FileMissing, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from walrus_fast.files import Files, FileSystemSpace

__all__ = ["DiskReading", "DiskWatch", "Places", "fills_in"]

_EVERY = 15.0  # seconds
_HISTORY = 288  # free bytes that are remembered: a day, one every five minutes
_HISTORY_EVERY = 300.0
_SHORTEST = 3600.0  # seconds of history below which nothing is foretold


@dataclass(frozen=True, slots=True)
class Places:
    """Folders by the name of their disk (`repository`, `database`, ...), and those whose entries tell a change."""

    disks: Mapping[str, Path]
    watched: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class DiskReading:
    """`date` in seconds since 1970. `changes` differ when something was added to a watched folder or removed."""

    date: float
    disks: Mapping[str, FileSystemSpace]
    changes: tuple[int, ...]


class DiskWatch:
    """Reads from `start` on; `newest` may be asked from any thread."""

    def __init__(
        self,
        files: Files,
        places: Callable[[], Places],
        on_reading: Callable[[DiskReading], None],
        *,
        every: float = _EVERY,
    ) -> None:
        self._files = files
        self._places = places
        self._on_reading = on_reading
        self._every = every
        self._stopped = threading.Event()
        self._free: tuple[tuple[float, int], ...] = ()  # replaced, never changed: others read it meanwhile
        self.newest: DiskReading | None = None

    def start(self) -> None:
        """Begin. A daemon: where the thread hangs, the process can end all the same."""
        threading.Thread(target=self._run, name="disks", daemon=True).start()

    def stop(self) -> None:
        """End with the reading that is under way."""
        self._stopped.set()

    @property
    def fills_in(self) -> float | None:
        """When the repository's disk is full if it goes on as before, in seconds; None: not foreseeable."""
        return fills_in(self._free)

    def _run(self) -> None:
        while not self._stopped.is_set():
            reading = self.read()
            self.newest = reading
            free = reading.disks.get("repository")
            now = time.monotonic()
            if free is not None and (not self._free or now - self._free[-1][0] >= _HISTORY_EVERY):
                self._free = (*self._free, (now, free.free))[-_HISTORY:]
            self._on_reading(reading)
            self._stopped.wait(self._every)

    def read(self) -> DiskReading:
        """Look now, in this thread. A disk that cannot be asked is left out."""
        places = self._places()
        found = {name: space for name, path in places.disks.items() if (space := self._space(path)) is not None}
        return DiskReading(time.time(), found, tuple(self._changed(path) for path in places.watched))

    def _space(self, path: Path) -> FileSystemSpace | None:
        for place in (path, *path.parents):  # a repository that is still to be made lies on its parent's disk
            try:
                return self._files.file_system_space(place)
            except FileMissing:
                continue
            except StorageError:
                return None  # what cannot be asked is not shown; `disk_reading` tells how old the others are
        return None

    def _changed(self, path: Path) -> int:
        try:
            return self._files.changed_ns(path)
        except StorageError:
            return 0  # not there: it appears with the first backup, and then differs


def fills_in(history: Iterable[tuple[float, int]]) -> float | None:
    """Seconds until no byte is free, by the straight line through (seconds, free bytes) that fits best; None when it
    does not fall, or the history is shorter than an hour."""
    points = list(history)
    if not points or points[-1][0] - points[0][0] < _SHORTEST:
        return None
    middle = sum(at for at, _ in points) / len(points)
    mean = sum(free for _, free in points) / len(points)
    slope = sum((at - middle) * (free - mean) for at, free in points) / sum((at - middle) ** 2 for at, _ in points)
    if slope >= 0:
        return None
    return max(0.0, -points[-1][1] / slope)
