"""What of a snapshot is new to the repository, and how it gets there.

Three answers for each table or blob file, cheapest first: the repository has it, told by its stat alone; the
repository has it under the name that RocksDB gives such a file; or its bytes are moved and checksummed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from walrus_fast.checksum import checksums_of
from walrus_fast.durable import write_file
from walrus_fast.errors import TransferModeUnsupported
from walrus_fast.files import HERE
from walrus_fast.methods import Method, TransferMode, methods_for
from walrus_fast.repository.commit import Placement
from walrus_fast.repository.known import HeldFiles, find_by_name
from walrus_fast.repository.layout import shared_blob_name, shared_table_name
from walrus_fast.repository.manifest import StoredFile
from walrus_fast.rocksdb.identity import read_session_ids
from walrus_fast.rocksdb.names import FileKind
from walrus_fast.transfer.task import TransferItem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.repository.layout import Layout
    from walrus_fast.snapshot.model import Snapshot, SnapshotFile
    from walrus_fast.transfer.control import Progress
    from walrus_fast.transfer.pool import TransferPool
    from walrus_fast.transfer.task import TransferredFile

__all__ = ["PINS", "Ingest"]

_SECOND = 1_000_000_000
_COARSEST = 2 * _SECOND  # vfat counts every other second; ext3 and others every one
PINS = "pins"  # the folder in staging that holds link pins: names that may be moved into the repository


class _Pending(msgspec.Struct, frozen=True):
    """A file on its way: `path` is its place in the backup, None while its name waits for its checksum.

    `placed` says how it came to where the transfer finds it, for files that the transfer only reads.
    """

    item: TransferItem
    path: str | None
    file: SnapshotFile | None
    placed: Method


class Ingest:
    """Plans the transfer of one snapshot, runs it, and holds the outcome. `run` is called once.

    `private` becomes the backup's private folder, `placements` its new shared files; `never_synced` are names of shared
    files that it reuses from a backup that was perhaps made without a sync. `began`: seconds since 1970, before the
    snapshot looked at any file.
    """

    def __init__(
        self,
        files: Files,
        layout: Layout,
        snapshot: Snapshot,
        held: HeldFiles,
        *,
        mode: TransferMode,
        staging: Path,
        backup_id: int,
        began: float,
    ) -> None:
        self._files = files
        self._layout = layout
        self._snapshot = snapshot
        self._mode = mode
        self._began_ns = int(began * _SECOND)
        self._pins = f"{staging / PINS}/"
        self.private = staging / "private"
        self._prefix = f"private/{backup_id}/"
        self._incoming = str(staging / "incoming")
        files.make_directory(self._incoming, 0o700)
        files.make_directory(self.private)
        self._stored: list[StoredFile] = []
        self._pending: list[_Pending] = []
        self.placements: list[Placement] = []
        self.never_synced: list[str] = []
        self.bytes_by_method: Counter[Method] = Counter()
        self.bytes_reused = 0
        self.bytes_read = 0
        self._durable = held.durable
        self._plan_shared(held)
        self._plan_wals()
        self._add_small_files()

    @property
    def stored(self) -> tuple[StoredFile, ...]:
        """Every file of the backup; complete after `run`."""
        return tuple(self._stored)

    @property
    def bytes_to_write(self) -> int:
        """Bytes that the repository's disk must have room for, at most: clones may turn out to be copies."""
        return sum(pending.item.size for pending in self._pending if pending.item.target is not None)

    def _plan_shared(self, held: HeldFiles) -> None:
        fresh = []
        for file in self._snapshot.files:
            stored = held.find(file.live.name, file.stat)
            if stored is not None:
                self._reuse(stored)
            else:
                fresh.append(file)
        sessions = self._session_ids([file for file in fresh if file.live.kind is FileKind.TABLE])
        named = {
            file.live.name: shared_table_name(file.live.number, session, 0, file.stat.size)
            for file in fresh
            if (session := sessions.get(file.live.name, ""))
        }
        known = find_by_name(self._files, self._layout, named.values()) if named else {}
        for file in fresh:
            name = named.get(file.live.name)
            if name is not None and (stored := known.get(name)) is not None:
                self._reuse(
                    StoredFile(
                        stored.path, stored.size, stored.crc32c, stored.xxh3, stored.method, *self._identity(file)
                    )
                )
            else:
                self._plan_file(file, name)

    def _identity(self, file: SnapshotFile | None) -> tuple[int, int]:
        """Inode and mtime, which tell the database's file again; zeros, where another one may have the same within the
        same tick.

        A file system that counts whole seconds gives a file that was written just now, and one that replaces it a
        moment later, the same time.
        """
        if file is None or (file.stat.mtime_ns % _SECOND == 0 and file.stat.mtime_ns > self._began_ns - _COARSEST):
            return 0, 0
        return file.stat.inode, file.stat.mtime_ns

    def _reuse(self, stored: StoredFile) -> None:
        self._stored.append(stored)
        self._note_reused(stored.path)
        self.bytes_reused += stored.size

    def _note_reused(self, path: str) -> None:
        if path not in self._durable:
            self.never_synced.append(_shared_name(path))

    def _session_ids(self, tables: list[SnapshotFile]) -> dict[str, str]:
        if not tables:
            return {}
        sessions = read_session_ids(HERE, [_source(file) for file in tables])
        return {file.live.name: session for file, session in zip(tables, sessions, strict=True)}

    def _plan_file(self, file: SnapshotFile, name: str | None) -> None:
        source, path = _source(file), None if name is None else f"shared_checksum/{name}"
        linked = file.is_link and source.startswith(self._pins)
        if linked and self._mode in (TransferMode.AUTO, TransferMode.HARDLINK):
            item = TransferItem(source=source, target=None, size=file.stat.size)
        elif self._mode is TransferMode.HARDLINK:
            raise TransferModeUnsupported(
                f"cannot hard-link {file.live.name} into {self._layout.root}: not on the database's file system, "
                "or the kernel forbids links to other users' files"
            )
        else:
            methods = tuple(method for method in methods_for(self._mode) if method is not Method.LINK)
            item = TransferItem(source, f"{self._incoming}/{file.live.name}", file.stat.size, methods)
        self._pending.append(_Pending(item, path, file, Method.LINK))

    def _plan_wals(self) -> None:
        """WALs are a backup's own. Our copies lie on the repository's disk already and are only moved."""
        for wal in self._snapshot.wals:
            target = self.private / wal.name
            here = wal.ours or (wal.is_link and wal.source.startswith(self._pins))
            if here and (wal.ours or self._mode in (TransferMode.AUTO, TransferMode.HARDLINK)):
                self._files.rename(wal.source, target)
                placed = Method.COPY if wal.ours else Method.LINK
                item = TransferItem(str(target), None, wal.size)
                self._pending.append(_Pending(item, self._prefix + wal.name, None, placed))
            else:
                item = TransferItem(wal.source, str(target), wal.size, (Method.COPY,))
                self._pending.append(_Pending(item, self._prefix + wal.name, None, Method.COPY))

    def _add_small_files(self) -> None:
        snapshot = self._snapshot
        manifest = self.private / snapshot.manifest_name
        self._files.rename(snapshot.manifest_copy, manifest)
        item = TransferItem(str(manifest), None, snapshot.manifest_size)
        self._pending.append(_Pending(item, self._prefix + snapshot.manifest_name, None, Method.COPY))
        self._write("CURRENT", f"{snapshot.manifest_name}\n".encode())
        if snapshot.options.name:
            self._write(snapshot.options.name, snapshot.options.contents)

    def _write(self, name: str, contents: bytes) -> None:
        write_file(self._files, self.private / name, contents, sync=False)
        crc, xxh3 = checksums_of(contents)
        self._stored.append(StoredFile(self._prefix + name, len(contents), crc, xxh3, Method.COPY, 0, 0))
        self.bytes_by_method[Method.COPY] += len(contents)

    def run(self, pool: TransferPool, *, sync: bool, report: Callable[[Progress], None]) -> None:
        """Move and checksum everything that is new. Raises what `TransferPool.run` raises."""
        answers = pool.run([pending.item for pending in self._pending], sync=sync, on_progress=report)
        self.bytes_read += sum(answer.size for answer in answers)
        paths = [
            pending.path or _path_by_checksum(pending.file, answer)
            for pending, answer in zip(self._pending, answers, strict=True)
        ]
        # Only now do blob files and old tables have names; a backup of RocksDB's may use them already.
        late = [path for path, pending in zip(paths, self._pending, strict=True) if pending.path is None]
        known = find_by_name(self._files, self._layout, [_shared_name(path) for path in late]) if late else {}
        for pending, answer, path in zip(self._pending, answers, paths, strict=True):
            self._settle(pending, answer, path, known.get(_shared_name(path)))

    def _settle(self, pending: _Pending, answer: TransferredFile, path: str, there: StoredFile | None) -> None:
        method = pending.placed if answer.method is Method.READ else answer.method
        staged = pending.item.target or pending.item.source
        if there is not None and there.xxh3 not in (b"", answer.xxh3) and pending.file is not None:
            # Other bytes of the same number, size and crc32c, which RocksDB would take for the same file. The name is
            # taken; in its private folder a backup may hold any file.
            path, there = self._prefix + pending.file.live.name, None
            self._files.rename(staged, self.private / pending.file.live.name)
        elif pending.file is not None and there is None:
            self.placements.append(Placement(staged, _shared_name(path)))
        if there is not None:
            self.bytes_reused += answer.size
            self._note_reused(path)
        else:
            self.bytes_by_method[method] += answer.size
        self._stored.append(
            StoredFile(path, answer.size, answer.crc32c, answer.xxh3, method, *self._identity(pending.file))
        )


def _shared_name(path: str) -> str:
    return path.removeprefix("shared_checksum/")


def _path_by_checksum(file: SnapshotFile | None, answer: TransferredFile) -> str:
    if file is None:
        raise AssertionError("only table and blob files are named by their checksum")
    if file.live.kind is FileKind.BLOB:
        return f"shared_checksum/{shared_blob_name(file.live.number, answer.crc32c, answer.size)}"
    return f"shared_checksum/{shared_table_name(file.live.number, '', answer.crc32c, answer.size)}"


def _source(file: SnapshotFile) -> str:
    if file.source is None:
        raise AssertionError(f"{file.live.name} was held during the pinning and is not held now")
    return file.source
