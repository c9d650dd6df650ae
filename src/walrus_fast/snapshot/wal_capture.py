"""The WALs of a snapshot: opened and measured in one instant, kept at leisure.

Closed WALs never change and are pinned; the ones that may still grow are copied up to the last complete record.
A WAL is closed for certain only when a later one holds a batch: RocksDB creates the next file before it has
flushed the last one's buffer (`manual_wal_flush`). With `recycle_log_file_num > 0` RocksDB overwrites old WALs
in place, so none is ever linked; each is copied and the copy is checked against what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.errors import FileMissing, StorageError
from walrus_fast.rocksdb.wal import WalExtent, list_wals, scan_wal
from walrus_fast.snapshot.model import PinnedWal

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from walrus_fast.files import Files
    from walrus_fast.snapshot.pins import PinSet

__all__ = ["KeptWals", "OpenWals", "keep_wals"]


@dataclass(frozen=True, slots=True)
class _OpenWal:
    number: int
    name: str
    fd: int
    size: int


@dataclass(frozen=True, slots=True)
class KeptWals:
    """The WALs that belong to the snapshot, oldest first, and the sequence number of their last write."""

    wals: tuple[PinnedWal, ...]
    last_sequence: int | None


class OpenWals:
    """Open descriptors of the WALs from `oldest` on, with the lengths they had when the block was entered."""

    def __init__(self, files: Files, directory: Path, *, oldest: int) -> None:
        self._files = files
        self.directory = directory
        self._oldest = oldest
        self.wals: list[_OpenWal] = []
        self.incomplete = False  # one vanished between the listing and the open

    def __enter__(self) -> Self:
        opened = []
        try:
            for number, name in list_wals(self._files, self.directory, oldest=self._oldest):
                opened.append((number, name, self._files.open_read(self.directory / name)))
        except FileMissing:
            self.incomplete = True
        except StorageError:
            for _, _, fd in opened:
                self._files.close(fd)
            raise
        finally:
            self.wals = [_OpenWal(number, name, fd, 0) for number, name, fd in opened]
        # Newest first: when a WAL holds a batch at the moment it is measured, its predecessor was complete by
        # then and is measured later. The other way round, a switch between the two would leave a hole.
        for index in range(len(self.wals) - 1, -1, -1):
            wal = self.wals[index]
            self.wals[index] = _OpenWal(wal.number, wal.name, wal.fd, self._files.size_of(wal.fd))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for wal in self.wals:
            self._files.close(wal.fd)
        self.wals = []


def keep_wals(files: Files, opened: OpenWals, pins: PinSet, scratch: Path, *, recycles: bool) -> KeptWals | None:
    """Pin the closed WALs and copy the growing one; None when one was overwritten meanwhile: go round again.

    WALs behind the last one that has a batch hold nothing and are left out.
    """
    newest, extent = _newest_with_batches(opened.wals)
    if extent is None:
        return KeptWals((), None)
    kept = []
    for wal in opened.wals[:newest]:
        if recycles:
            copy = _copy(files, wal, scan_wal(wal.fd, wal.number, limit=wal.size), scratch)
        else:
            copy = _pin(files, opened.directory, wal, pins) or _copy(files, wal, None, scratch)
        if copy is None:
            return None
        kept.append(copy)
    tail = _copy(files, opened.wals[newest], extent, scratch)
    if tail is None:
        return None
    return KeptWals((*kept, tail), extent.last_sequence)


def _newest_with_batches(wals: list[_OpenWal]) -> tuple[int, WalExtent | None]:
    for index in range(len(wals) - 1, -1, -1):
        extent = scan_wal(wals[index].fd, wals[index].number, limit=wals[index].size)
        if extent.batches:
            return index, extent
    return 0, None


def _pin(files: Files, directory: Path, wal: _OpenWal, pins: PinSet) -> PinnedWal | None:
    fd = files.open_directory(directory)
    try:
        missing = [] if wal.name in pins else pins.pin(fd, [wal.name])
    finally:
        files.close(fd)
    path, is_link = pins.where(wal.name)
    if missing or path is None:
        return None
    return PinnedWal(wal.name, path, wal.size, is_link=is_link, ours=False)


def _copy(files: Files, wal: _OpenWal, extent: WalExtent | None, scratch: Path) -> PinnedWal | None:
    """Copy the complete part. With an `extent`, the copy must scan to the same: else it was overwritten."""
    size = wal.size if extent is None else extent.complete_bytes
    target = scratch / wal.name
    files.unlink(target, missing_ok=True)  # from an earlier round
    fd = files.create(target)
    try:
        files.copy_prefix(wal.fd, fd, size)
    finally:
        files.close(fd)
    if extent is not None:
        check = files.open_read(target)
        try:
            if scan_wal(check, wal.number, limit=size) != extent:
                return None
        finally:
            files.close(check)
    return PinnedWal(wal.name, str(target), size, is_link=True, ours=True)
