"""The snapshot of a live database, taken beside its owner.

RocksDB's table and blob files never change, its MANIFEST only grows, and it logs a deletion to the MANIFEST
before it unlinks the file. So a MANIFEST prefix P, the files it names and the WALs from its log number on are
what RocksDB would find after a kill -9, provided that the WALs are as old as P: newer WALs with an older P would
replay writes into a state that lacks, say, a family created in between; an older WAL with a newer P would miss
the tail of families that P's flushes did not cover. `docs/design.md` has the argument in full. Hence:

1. read the MANIFEST to its end and pin every file that it names (a vanished file means that it has moved on);
2. open the WALs and note their lengths: this is the instant of the snapshot;
3. read the MANIFEST again: if it has not moved, P and the lengths belong together, else go round again.

Only what is new is read and pinned in a later round, so the gap between 1 and 3 shrinks to a few system calls.
"""

from __future__ import annotations

import errno
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from walrus_fast.errors import DatabaseDamaged, DatabaseNotFound, SnapshotUnstable, storage_error
from walrus_fast.files import FileStat
from walrus_fast.rocksdb.identity import read_database_id
from walrus_fast.rocksdb.manifest import ManifestReader
from walrus_fast.rocksdb.options import DatabaseOptions, newest_options
from walrus_fast.rocksdb.ownership import owner_pid
from walrus_fast.rocksdb.wal import list_wals
from walrus_fast.snapshot.model import Snapshot, SnapshotFile, SnapshotRequest
from walrus_fast.snapshot.pins import PinSet, raise_descriptor_limit
from walrus_fast.snapshot.wal_capture import OpenWals, keep_wals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from walrus_fast.files import Files
    from walrus_fast.rocksdb.manifest import LiveFile, LiveSet

__all__ = ["attach"]


@contextmanager
def attach(
    files: Files,
    request: SnapshotRequest,
    *,
    pin_folders: Sequence[Path],
    scratch: Path,
    held: Callable[[str, FileStat], object],
) -> Iterator[Snapshot]:
    """Pin a consistent snapshot; the pins last as long as the block.

    `pin_folders` may hold link pins, first choice first; `scratch` is an empty folder of ours for the copies of
    the MANIFEST and of WALs that still grow. A file for whose name and stat `held` gives something true needs no pin:
    its bytes are safe with the caller. Links and copies are left in those folders for the caller to move or remove.
    Raises: DatabaseNotFound, DatabaseDamaged, SnapshotUnstable, StorageError. All descriptors are closed then.
    """
    started = time.monotonic()
    raise_descriptor_limit()
    with ExitStack() as stack:
        reader = stack.enter_context(ManifestReader(files, request.database))
        reader.refresh()
        options = newest_options(files, request.database)
        wal_dir = request.wal_dir or _wal_dir(files, request.database, options)
        pins = PinSet(files, pin_folders)
        stack.callback(pins.close)
        inventory = _Inventory(files, request, pins, held)
        stack.callback(inventory.close)
        for round_ in range(1, request.max_rounds + 1):
            live = reader.live_set()
            if missing := inventory.secure(live):
                if not reader.refresh():
                    raise _missing(request, missing)
                continue
            with OpenWals(files, wal_dir, oldest=live.oldest_wal) as wals:
                if reader.refresh() or wals.incomplete:
                    continue
                pinned = time.monotonic()
                kept = keep_wals(files, wals, pins, scratch, recycles=options.recycles_wals)
            if kept is None:
                continue
            pins.drop(sorted(set(pins.names) - {file.name for file in live.files} - {wal.name for wal in kept.wals}))
            yield Snapshot(
                database=request.database,
                wal_dir=wal_dir,
                manifest_name=live.manifest_name,
                manifest_copy=_copy_manifest(files, reader, live, scratch),
                manifest_size=live.manifest_size,
                files=inventory.result(live),
                wals=kept.wals,
                families=live.families,
                options=newest_options(files, request.database),
                database_id=live.database_id or read_database_id(files, request.database),
                captured_sequence=max(live.last_sequence, kept.last_sequence or 0),
                sequence_is_exact=kept.last_sequence is not None or not kept.wals,
                rounds=round_,
                seconds=pinned - started,
            )
            return
    raise SnapshotUnstable(f"{request.database} changed in each of {request.max_rounds} rounds")


def _wal_dir(files: Files, database: Path, options: DatabaseOptions) -> Path:
    if not options.wal_dir:
        return database
    wal_dir = Path(options.wal_dir)
    if not wal_dir.is_absolute():
        # RocksDB resolves it against its working directory, which /proc shows while the owner runs.
        pid = owner_pid(files, database)
        wal_dir = (Path(f"/proc/{pid}/cwd") / wal_dir).resolve() if pid else (Path.cwd() / wal_dir)
    if wal_dir.resolve() == database.resolve():
        return database
    if not wal_dir.is_dir():
        return _absent_wal_dir(files, database, wal_dir)
    return wal_dir


def _absent_wal_dir(files: Files, database: Path, wal_dir: Path) -> Path:
    """A database that was moved still records its old place as wal_dir; its WALs then lie in it."""
    if list_wals(files, database, oldest=0):
        return database
    raise DatabaseNotFound(
        f"{database} keeps its WALs in {wal_dir}, which is not there",
        hint="Give --wal-dir: where this machine or container sees that folder.",
    )


def _missing(request: SnapshotRequest, names: list[str]) -> DatabaseDamaged:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    places = ", ".join(str(place) for place in (request.data_dirs or (request.database,)))
    return DatabaseDamaged(
        f"{names[0]}{more} of {request.database} is missing: the MANIFEST names it, and it is not in {places}",
        hint="If RocksDB keeps files in several folders (db_paths), name them all with --data-dir. "
        + DatabaseDamaged.default_hint,
    )


def _copy_manifest(files: Files, reader: ManifestReader, live: LiveSet, scratch: Path) -> str:
    target = scratch / live.manifest_name
    fd = files.create(target)
    try:
        files.copy_prefix(reader.descriptor, fd, live.manifest_size)
    finally:
        files.close(fd)
    return str(target)


class _Inventory:
    """The live files seen so far: where each is, what its stat said, whether it needs a pin."""

    def __init__(
        self, files: Files, request: SnapshotRequest, pins: PinSet, held: Callable[[str, FileStat], object]
    ) -> None:
        self._files = files
        self._pins = pins
        self._held = held
        self._database = request.database
        places = request.data_dirs or (request.database,)
        self._directories = [files.open_directory(place) for place in places]
        self._stats: dict[str, FileStat] = {}

    def close(self) -> None:
        for fd in self._directories:
            self._files.close(fd)

    def secure(self, live: LiveSet) -> list[str]:
        """Stat and pin what was not seen yet; returns the names that are gone."""
        fresh = [file for file in live.files if file.name not in self._stats]
        missing: list[str] = []
        for index, directory in enumerate(self._directories):
            if not fresh:
                break
            # With several data folders a path id says where a file should be; RocksDB moves files between
            # folders only by writing new ones, so any folder that has the name has the file.
            fresh = self._secure_in(directory, fresh, missing, last=index == len(self._directories) - 1)
        return missing

    def _secure_in(
        self, directory: int, candidates: list[LiveFile], missing: list[str], *, last: bool
    ) -> list[LiveFile]:
        elsewhere: list[LiveFile] = []
        to_pin: list[tuple[LiveFile, FileStat]] = []
        found = self._files.stat_many(directory, [file.name for file in candidates])
        for file, (number, device, inode, size, mtime_ns, _) in zip(candidates, found, strict=True):
            if number == errno.ENOENT:
                elsewhere.append(file)
                continue
            if number:
                raise storage_error(number, "stat", self._database / file.name)
            if size != file.size:
                raise DatabaseDamaged(
                    f"{self._database / file.name} has {size} bytes where the MANIFEST says {file.size}"
                )
            stat = FileStat(device, inode, size, mtime_ns)
            if self._held(file.name, stat):
                self._stats[file.name] = stat
            else:
                to_pin.append((file, stat))
        gone = set(self._pins.pin(directory, [file.name for file, _ in to_pin]))
        for file, stat in to_pin:
            if file.name in gone:
                elsewhere.append(file)
            else:
                self._stats[file.name] = stat
        if last:
            missing.extend(file.name for file in elsewhere)
        return elsewhere

    def result(self, live: LiveSet) -> tuple[SnapshotFile, ...]:
        """The files of the final set, in MANIFEST order."""
        stats, where = self._stats, self._pins.where
        return tuple(SnapshotFile(file, stats[file.name], *where(file.name)) for file in live.files)
