"""Write-ahead logs: which there are, and how far each is complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast import _native
from walrus_fast.errors import storage_error
from walrus_fast.rocksdb.names import FileKind, classify

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["WalExtent", "list_wals", "scan_wal"]


@dataclass(frozen=True, slots=True)
class WalExtent:
    """The complete part of a WAL. `last_sequence` is None when there is no batch or it is compressed."""

    complete_bytes: int
    batches: int
    last_sequence: int | None


def list_wals(files: Files, directory: Path, *, oldest: int) -> list[tuple[int, str]]:
    """(number, name) of the WALs numbered `oldest` and up, in order."""
    found = []
    for name, is_directory in files.list_directory(directory):
        kind, number = classify(name)
        if kind is FileKind.WAL and number >= oldest and not is_directory:
            found.append((number, name))
    return sorted(found)


def scan_wal(fd: int, number: int, *, limit: int = -1) -> WalExtent:
    """Check the records of an open WAL up to `limit` bytes and find where the last complete one ends.

    Raises: StorageError when it cannot be read. Bad bytes are not an error: the log ends before them.
    """
    try:
        complete, batches, last, _, _ = _native.scan_wal(fd, number, limit)
    except OSError as exc:
        raise storage_error(exc.errno or 0, "read", f"WAL {number}") from exc
    return WalExtent(complete, batches, last if last >= 0 else None)
