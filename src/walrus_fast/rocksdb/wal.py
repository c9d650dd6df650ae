"""Write-ahead logs: which there are, and how far each is complete."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from walrus_fast import _native
from walrus_fast.errors import storage_error
from walrus_fast.rocksdb.names import FileKind, classify

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["WalExtent", "first_sequence", "list_wals", "scan_wal"]


_RECYCLABLE = 2  # of the flags of `_native.scan_wal`
# db/log_format.h: crc (4), length (2), type (1) and, in recyclable records, the log number (4).
_SHORT_HEADER, _LONG_HEADER, _SEQUENCE_BYTES = 7, 11, 8
_RECYCLABLE_TYPES = frozenset({5, 6})
_WITH_BATCH = frozenset({1, 2}) | _RECYCLABLE_TYPES  # whole records and first parts


@dataclass(frozen=True, slots=True)
class WalExtent:
    """The complete part of a WAL. `last_sequence` is None when there is no batch or it is compressed.

    `is_clean`: nothing follows it, or zeros or a recycled file's old records do. `is_recyclable`: such records may.
    """

    complete_bytes: int
    batches: int
    last_sequence: int | None
    is_clean: bool = field(default=True, compare=False)  # a copy of the complete part is equal to its source
    is_recyclable: bool = field(default=False, compare=False)


def list_wals(files: Files, directory: Path, *, oldest: int) -> list[tuple[int, str]]:
    """(number, name) of the WALs numbered `oldest` and up, in order."""
    found = []
    for name in files.list_names(directory, suffix=".log"):
        kind, number = classify(name)
        if kind is FileKind.WAL and number >= oldest:
            found.append((number, name))
    return sorted(found)


def scan_wal(fd: int, number: int, *, limit: int = -1) -> WalExtent:
    """Check the records of an open WAL up to `limit` bytes and find where the last complete one ends.

    Raises: StorageError when it cannot be read. Bad bytes are not an error: the log ends before them.
    """
    try:
        complete, batches, last, state, flags = _native.scan_wal(fd, number, limit)
    except OSError as exc:
        raise storage_error(exc.errno or 0, "read", f"WAL {number}") from exc
    return WalExtent(complete, batches, last if last >= 0 else None, state == _native.CLEAN, bool(flags & _RECYCLABLE))


def first_sequence(fd: int) -> int | None:
    """The sequence number of the first write batch of an open WAL.

    None when it does not begin with one: it is empty, compressed, or begins with metadata records. Nothing is
    checked; `scan_wal` does that. Raises: StorageError.
    """
    try:
        head = os.pread(fd, _LONG_HEADER + _SEQUENCE_BYTES, 0)
    except OSError as exc:
        raise storage_error(exc.errno or 0, "read", f"descriptor {fd}") from exc
    if len(head) < _SHORT_HEADER + _SEQUENCE_BYTES or head[6] not in _WITH_BATCH:
        return None
    start = _LONG_HEADER if head[6] in _RECYCLABLE_TYPES else _SHORT_HEADER
    return int.from_bytes(head[start : start + _SEQUENCE_BYTES], "little")
