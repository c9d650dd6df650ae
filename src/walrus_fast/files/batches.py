"""Many files at once, in C, with the interpreter lock released."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from walrus_fast import _native
from walrus_fast.errors import storage_error
from walrus_fast.files.beneath import HERE, Distrusting

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Batches"]

_SYNC_THREADS = 64


class Batches(Distrusting):
    """Operations on many names by directory descriptor, with one errno a name instead of raising: 0 is success."""

    def stat_many(self, directory: int, names: Sequence[str]) -> list[tuple[int, int, int, int, int, int]]:
        """(errno, device, inode, size, mtime_ns, links) a name."""
        return _native.stat_files(directory, names)

    def link_many(self, source: int, names: Sequence[str], target: int, to: Sequence[str]) -> list[int]:
        """Hard-link `names` in `source` as `to` in `target`."""
        with self._batch(source, names) as (folder, own), self._batch(target, to) as (place, others):
            return _native.link_files(folder, own, place, others)

    def clone_many(self, source: int, names: Sequence[str], target: int, to: Sequence[str]) -> list[int]:
        """Reflink `names` in `source` as new files `to` in `target`."""
        with self._batch(source, names) as (folder, own), self._batch(target, to) as (place, others):
            return _native.clone_files(folder, own, place, others)

    def rename_many(self, source: int, names: Sequence[str], target: int, to: Sequence[str]) -> list[int]:
        """Rename; an existing target is not replaced (EEXIST) where the file system can tell."""
        with self._batch(source, names) as (folder, own), self._batch(target, to) as (place, others):
            return _native.rename_files(folder, own, place, others)

    def unlink_many(self, directory: int, names: Sequence[str]) -> list[int]:
        """Remove names."""
        return _native.unlink_files(directory, names)

    def sync_many(self, directory: int, names: Sequence[str]) -> list[int]:
        """Make files and folders durable, many at a time, in no particular order.

        One after the other, each waits for a flush of the disk's cache; together they share them. Measured with new
        links on ext4, load 7: 5 take 11 ms one by one and 1 ms together, 100 take 167 ms and 12 ms, 3,000 in eight
        threads 214 ms, in 64 105 ms.
        """
        count = min(len(names), _SYNC_THREADS, max(8, len(names) // 32))
        if count <= 1:
            return _native.sync_files(directory, names)
        errnos = [0] * len(names)
        with ThreadPoolExecutor(count) as threads:
            shares = [names[first::count] for first in range(count)]
            for first, found in enumerate(threads.map(partial(_native.sync_files, directory), shares)):
                errnos[first::count] = found
        return errnos

    def sync_all(self, paths: Sequence[str]) -> None:
        """Make every one of these files and folders durable, as `sync_many`. Raises for the first that cannot be."""
        for path, number in zip(paths, self.sync_many(HERE, paths), strict=True):
            if number:
                raise storage_error(number, "sync", path)
