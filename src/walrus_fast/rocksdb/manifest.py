"""The live file set of a database, followed through its MANIFEST while the owner goes on writing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from walrus_fast import _native
from walrus_fast.errors import DatabaseDamaged, DatabaseNotFound, FileMissing, StorageError
from walrus_fast.rocksdb.names import FileKind, blob_name, classify, table_name

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from walrus_fast.files import Files

__all__ = ["Family", "LiveFile", "LiveSet", "ManifestReader", "read_current"]

# A blob file is its header, the records that the MANIFEST counts, and its footer (db/blob/blob_log_format.h).
_BLOB_OVERHEAD = 30 + 32
_ATTEMPTS = 100


class LiveFile(msgspec.Struct, frozen=True, gc=False):
    """A table or blob file that the MANIFEST names. `size` in bytes is what the file must have."""

    kind: FileKind
    number: int
    size: int
    path_id: int
    family: int
    name: str


@dataclass(frozen=True, slots=True)
class Family:
    """A column family."""

    id: int
    name: str
    comparator: str


@dataclass(frozen=True, slots=True)
class LiveSet:
    """What a MANIFEST prefix of `manifest_size` bytes says: the state after its last complete edit.

    `optional` are blob files that are all garbage: RocksDB may have deleted them and does not miss them.
    WALs with numbers below `oldest_wal` are not needed. `last_sequence` is that of the flushed data.
    """

    manifest_name: str
    manifest_size: int
    edits: int
    tables: tuple[LiveFile, ...]
    blobs: tuple[LiveFile, ...]
    optional: frozenset[int]
    families: tuple[Family, ...]
    oldest_wal: int
    last_sequence: int
    database_id: str

    @property
    def files(self) -> tuple[LiveFile, ...]:
        """Every file that must be there: tables, then blobs."""
        return self.tables + self.blobs


def read_current(files: Files, database: Path) -> str:
    """The name of the MANIFEST that CURRENT points to.

    Raises: DatabaseNotFound, DatabaseDamaged (half a database), StorageError.
    """
    try:
        contents = files.read_bytes(database / "CURRENT", limit=4096)
    except FileMissing as exc:
        raise _no_current(files, database) from exc
    name = contents.decode("ascii", "replace").removesuffix("\n")
    if classify(name)[0] is not FileKind.MANIFEST:
        raise DatabaseDamaged(f"CURRENT of {database} does not name a MANIFEST but {name[:60]!r}")
    return name


def _no_current(files: Files, database: Path) -> DatabaseNotFound | DatabaseDamaged:
    try:
        entries = files.list_directory(database)
    except StorageError as exc:
        return DatabaseNotFound(f"no database at {database}: {exc.message}")
    kinds = {classify(name)[0] for name, is_directory in entries if not is_directory}
    if kinds & {FileKind.MANIFEST, FileKind.TABLE, FileKind.BLOB}:
        return DatabaseDamaged(f"{database} has files of a database but no CURRENT")
    return DatabaseNotFound(f"no database at {database}: there is no file CURRENT in it")


class ManifestReader:
    """Follows CURRENT and its MANIFEST. Only what was appended since the last look is read again.

    The MANIFEST stays open, so `descriptor` gives its bytes even after RocksDB has replaced and deleted it.
    Not for use from two threads.
    """

    def __init__(self, files: Files, database: Path) -> None:
        self._files = files
        self._database = database
        self._name = ""
        self._fd = -1
        self._replay = _native.ManifestReplay()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the MANIFEST."""
        if self._fd >= 0:
            self._files.close(self._fd)
            self._fd = -1

    @property
    def descriptor(self) -> int:
        """The open MANIFEST; valid until the next `refresh` or `close`."""
        return self._fd

    def refresh(self) -> bool:
        """Read what is new. True when the live set may have changed since the last call.

        CURRENT is read before the tail: when it still names our MANIFEST, every edit committed before this
        call is in the bytes that are read next.
        Raises: DatabaseNotFound, DatabaseDamaged, StorageError.
        """
        for _ in range(_ATTEMPTS):
            name = read_current(self._files, self._database)
            try:
                if name != self._name:
                    self._open(name)
                    return self._feed() or True
            except FileMissing:
                continue  # rolled over twice between CURRENT and the open: look again
            return self._feed()
        raise DatabaseDamaged(f"CURRENT of {self._database} names {name}, which is missing")

    def _open(self, name: str) -> None:
        fd = self._files.open_read(self._database / name)
        self.close()
        self._fd, self._name, self._replay = fd, name, _native.ManifestReplay()

    def _feed(self) -> bool:
        replay = self._replay
        try:
            applied = replay.feed(self._fd)
        except OSError as exc:
            raise StorageError(f"cannot read {self._database / self._name}: {exc}", number=exc.errno or 0) from exc
        if replay.state == _native.CORRUPT:
            raise DatabaseDamaged(f"{self._database / self._name} is damaged: {replay.reason}")
        if replay.edits == 0:
            raise DatabaseDamaged(
                f"{self._database / self._name} has no complete record: {replay.reason or 'it is empty'}"
            )
        return applied > 0

    def live_set(self) -> LiveSet:
        """The state after the last complete edit read so far."""
        replay = self._replay
        logs = [log for _, _, log, _ in replay.families()]
        needed = [n for n in (replay.min_log_number_to_keep, replay.prev_log_number, min(logs, default=0)) if n]
        blobs = replay.blobs()
        return LiveSet(
            manifest_name=self._name,
            manifest_size=replay.offset,
            edits=replay.edits,
            tables=tuple(
                LiveFile(FileKind.TABLE, number, size, path_id, family, table_name(number))
                for number, size, path_id, _, family in replay.tables()
            ),
            blobs=tuple(
                LiveFile(FileKind.BLOB, number, payload + _BLOB_OVERHEAD, 0, family, blob_name(number))
                for number, payload, family, live in blobs
                if live
            ),
            optional=frozenset(number for number, _, _, live in blobs if not live),
            families=tuple(Family(id_, name, comparator) for id_, name, _, comparator in replay.families()),
            oldest_wal=min(needed, default=0),
            last_sequence=replay.last_sequence,
            database_id=replay.db_id or "",
        )
