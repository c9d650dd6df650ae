"""What a snapshot is: the request, its files, its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import FileStat
    from walrus_fast.rocksdb.manifest import Family, LiveFile
    from walrus_fast.rocksdb.options import DatabaseOptions

__all__ = ["PinnedWal", "Snapshot", "SnapshotFile", "SnapshotRequest"]


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """Which database, and where its parts lie.

    `wal_dir` overrides what the OPTIONS file says (needed when the owner sees other paths than we do, as in
    a container). `data_dirs` are RocksDB's `db_paths`, which no file of the database records; empty means
    that everything lies in `database`.
    """

    database: Path
    wal_dir: Path | None = None
    data_dirs: tuple[Path, ...] = ()
    max_rounds: int = 1000


class SnapshotFile(msgspec.Struct, frozen=True, gc=False):
    """A table or blob file of the snapshot. `source` is None when the caller said that it holds the bytes."""

    live: LiveFile
    stat: FileStat
    source: str | None
    is_link: bool


@dataclass(frozen=True, slots=True)
class PinnedWal:
    """A WAL of the snapshot: `size` bytes of `source`. A copy made by the snapshot is `ours` to move."""

    name: str
    source: str
    size: int
    is_link: bool
    ours: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Files that recover to one point in time, pinned until the snapshot is closed.

    `captured_sequence` is the sequence number of the last write in it; with compressed WALs only a lower bound
    is known (`sequence_is_exact` is False). `rounds` counts how often the MANIFEST was read until nothing moved,
    `seconds` the time from the first look to the last pin.
    """

    database: Path
    wal_dir: Path
    manifest_name: str
    manifest_copy: str
    manifest_size: int
    files: tuple[SnapshotFile, ...]
    wals: tuple[PinnedWal, ...]
    families: tuple[Family, ...]
    options: DatabaseOptions
    database_id: str
    captured_sequence: int
    sequence_is_exact: bool
    rounds: int
    seconds: float

    @property
    def wal_dir_is_separate(self) -> bool:
        """Whether the WALs lie outside the database's directory."""
        return self.wal_dir != self.database
