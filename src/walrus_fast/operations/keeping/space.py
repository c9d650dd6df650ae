"""Where a repository's bytes are: what each backup holds alone, what deleting it frees, what hard links pin."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.errors import StorageError
from walrus_fast.methods import Method
from walrus_fast.repository.catalog import load_catalog, newest_manifest
from walrus_fast.repository.layout import open_repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.repository.catalog import Backup
    from walrus_fast.repository.layout import Layout

    _Inode = tuple[int, int]

__all__ = ["BackupSpace", "SpaceReport", "measure_space", "space_of"]


@dataclass(frozen=True, slots=True)
class BackupSpace:
    """Bytes of a backup. `size` is all its files. `alone`: no other backup uses them. `freed_by_deleting`: of these,
    what no name outside the repository holds too. `not_in_database`: the database has no name for them any more."""

    backup_id: int
    size: int
    alone: int
    freed_by_deleting: int
    not_in_database: int


@dataclass(frozen=True, slots=True)
class SpaceReport:
    """Bytes by unique inode, so that no byte counts twice. Blocks that clones (reflinks) share cannot be told apart
    and count in full.

    `total`: all files of all backups. `held_by_database`: the database at `database` has a name for them, so they
    cost nothing. `held_elsewhere`: names that are neither in the repository nor in the database (another copy, a
    database from before a restore). `only_here`: what the repository alone keeps; of that, `pinned` came as
    hard links of files that the database has deleted since. `unreferenced`: files that no backup names.
    """

    backups: tuple[BackupSpace, ...]
    total: int
    held_by_database: int
    held_elsewhere: int
    only_here: int
    pinned: int
    unreferenced: int
    database: Path | None


@dataclass(frozen=True, slots=True)
class _Place:
    inode: _Inode
    size: int
    links: int


def measure_space(files: Files, repository: Path, *, database: Path | None = None) -> SpaceReport:
    """Look at every file's inode. `database` None: the folder that the newest backup of ours was taken of.

    Reads no file and takes no lock: a writer that works meanwhile makes the figures those of a moment between.
    Raises: RepositoryNotFound, StorageError.
    """
    layout = open_repository(files, repository)
    return space_of(files, layout, load_catalog(files, layout), database=database)


def space_of(files: Files, layout: Layout, backups: Sequence[Backup], *, database: Path | None) -> SpaceReport:
    """`measure_space` of backups that were loaded already. Raises: StorageError."""
    places = _places(files, layout, {file.path for backup in backups for file in backup.files})
    manifest = newest_manifest(files, layout)
    if database is None and manifest is not None and manifest.database:
        database = layout.root / manifest.database  # an absolute path stays what it is
    folders = [database] if database else []
    if manifest is not None and manifest.wal_dir:
        folders.append(layout.root / manifest.wal_dir)
    present = _inodes(files, folders)
    names_here = Counter(place.inode for place in places.values())
    users = Counter(inode for backup in backups for inode in _inodes_of(backup, places))
    spaces = tuple(_of_backup(backup, places, users, names_here, present) for backup in backups)
    unique = {place.inode: place for place in places.values()}
    linked = {
        places[file.path].inode
        for backup in backups
        if backup.manifest
        for file in backup.manifest.files
        if file.method is Method.LINK and file.path in places
    }
    here = {inode for inode, place in unique.items() if place.links <= names_here[inode] and inode not in present}
    elsewhere = unique.keys() - here - present
    return SpaceReport(
        backups=spaces,
        total=_sum(unique, unique),
        held_by_database=_sum(unique, unique.keys() & present),
        held_elsewhere=_sum(unique, elsewhere),
        only_here=_sum(unique, here),
        pinned=_sum(unique, here & linked),
        unreferenced=_unreferenced(files, layout, places),
        database=database,
    )


def _of_backup(
    backup: Backup,
    places: dict[str, _Place],
    users: Counter[_Inode],
    names_here: Counter[_Inode],
    present: frozenset[_Inode],
) -> BackupSpace:
    mine = {places[file.path].inode: places[file.path] for file in backup.files if file.path in places}
    alone = {inode for inode in mine if users[inode] == 1}
    freed = {inode for inode in alone if mine[inode].links <= names_here[inode]}
    return BackupSpace(
        backup_id=backup.backup_id,
        size=backup.size,
        alone=_sum(mine, alone),
        freed_by_deleting=_sum(mine, freed),
        not_in_database=_sum(mine, mine.keys() - present),
    )


def _sum(places: dict[_Inode, _Place], inodes: Iterable[_Inode]) -> int:
    return sum(places[inode].size for inode in inodes)


def _inodes_of(backup: Backup, places: dict[str, _Place]) -> set[_Inode]:
    return {places[file.path].inode for file in backup.files if file.path in places}


def _places(files: Files, layout: Layout, paths: Iterable[str]) -> dict[str, _Place]:
    """Where each file is; those that are missing are left out."""
    names = sorted(paths)
    root = files.open_directory(layout.root)
    try:
        found = files.stat_many(root, names)
    finally:
        files.close(root)
    return {
        name: _Place((device, inode), size, links)
        for name, (number, device, inode, size, _, links) in zip(names, found, strict=True)
        if number == 0
    }


def _inodes(files: Files, folders: Iterable[Path]) -> frozenset[_Inode]:
    """The inodes of the files in these folders; a folder that cannot be looked at has none."""
    found: set[_Inode] = set()
    for folder in folders:
        try:
            names = [name for name, is_directory in files.list_directory(folder) if not is_directory]
            directory = files.open_directory(folder)
        except StorageError:
            continue  # the database has gone, or is another machine's: then nothing here is held by it
        try:
            stats = files.stat_many(directory, names)
        finally:
            files.close(directory)
        found.update((device, inode) for number, device, inode, _, _, _ in stats if number == 0)
    return frozenset(found)


def _unreferenced(files: Files, layout: Layout, places: dict[str, _Place]) -> int:
    try:
        names = [f"shared_checksum/{name}" for name, is_dir in files.list_directory(layout.shared) if not is_dir]
    except StorageError:
        return 0  # a repository without shared files
    return sum(place.size for place in _places(files, layout, [name for name in names if name not in places]).values())
