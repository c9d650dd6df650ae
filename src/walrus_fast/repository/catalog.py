"""Which backups a repository has, and in what state. Reads only; a damaged backup is shown as damaged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from walrus_fast.checksum import digest
from walrus_fast.errors import BackupDamaged, BackupNotFound, FileMissing, StorageError, TooManyOpenFiles
from walrus_fast.repository.layout import Layout, restored_name
from walrus_fast.repository.manifest import BackupManifest, decode_manifest
from walrus_fast.repository.meta import MAX_META_BYTES, BackupMeta, decode_meta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walrus_fast.files import Files
    from walrus_fast.repository.manifest import StoredFile

__all__ = [
    "LARGEST_ID",
    "Backup",
    "BackupFile",
    "backup_ids",
    "load_backup",
    "load_catalog",
    "newest_manifest",
    "pick_backup",
]

LARGEST_ID = (1 << 32) - 1
_ID = re.compile(r"[1-9][0-9]{0,9}")


class BackupFile(msgspec.Struct, frozen=True, gc=False):
    """A file of a backup as the repository has it.

    `size` is what is there, None when the file is missing; `expected_size`, `xxh3` come from our manifest (or a
    schema 2 meta) and are None for backups that RocksDB made.
    """

    path: str
    name: str
    size: int | None
    expected_size: int | None
    crc32c: int | None
    xxh3: bytes | None


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup. `problems` says in words what is wrong; an unreadable meta leaves everything else empty."""

    backup_id: int
    timestamp: int
    sequence: int
    files: tuple[BackupFile, ...]
    manifest: BackupManifest | None
    problems: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all its files, shared ones included."""
        return sum(file.size or 0 for file in self.files)

    @property
    def is_damaged(self) -> bool:
        """Whether something is wrong that a look at names and sizes can tell."""
        return bool(self.problems)


def backup_ids(files: Files, layout: Layout) -> list[int]:
    """Ids of all backups, damaged ones included, in order. Other names in meta/ are no backups, as in RocksDB: an id
    has 32 bits."""
    return sorted(
        int(name)
        for name, is_directory in files.list_directory(layout.meta)
        if _ID.fullmatch(name) and int(name) <= LARGEST_ID and not is_directory
    )


def load_backup(files: Files, layout: Layout, backup_id: int) -> Backup:
    """One backup: meta and manifest read and compared, every file's size looked up.

    Raises: BackupNotFound, StorageError. Damage is in `problems`, not raised.
    """
    try:
        data = files.read_bytes(layout.meta_of(backup_id), limit=MAX_META_BYTES)
    except FileMissing as exc:
        raise BackupNotFound(f"no backup {backup_id} in {layout.root}") from exc
    except TooManyOpenFiles:
        raise  # our own trouble: it says nothing about the backup
    except StorageError as exc:
        return Backup(backup_id, 0, 0, (), None, (exc.message,))
    try:
        meta = decode_meta(data, backup_id)
    except BackupDamaged as exc:
        return Backup(backup_id, 0, 0, (), None, (exc.message,))
    problems = _linked_folders(layout, backup_id)
    manifest = _manifest_of(files, layout, backup_id, data, problems)
    stored = {file.path: file for file in manifest.files} if manifest else {}
    found = _with_sizes(files, layout, backup_id, meta, stored)
    problems += [problem for file in found if (problem := _size_problem(file))]
    problems += _crc_disagreements(meta, stored)
    if problems and not _is_still_there(files, layout, backup_id):
        raise BackupNotFound(f"no backup {backup_id} in {layout.root}")
    return Backup(backup_id, meta.timestamp, meta.sequence, found, manifest, tuple(problems))


def _is_still_there(files: Files, layout: Layout, backup_id: int) -> bool:
    """A backup that a writer deletes while we look at it, its meta first, is gone and not damaged."""
    try:
        files.stat(layout.meta_of(backup_id))
    except FileMissing:
        return False
    except StorageError:
        pass  # whatever it is, it is there
    return True


def _linked_folders(layout: Layout, backup_id: int) -> list[str]:
    """A folder that is a link would have us read, and restore, files from outside the repository."""
    return [
        f"{folder.relative_to(layout.root)} is a symbolic link"
        for folder in (layout.private, layout.private_of(backup_id), layout.shared, layout.root / "shared")
        if folder.is_symlink()
    ]


def _manifest_of(
    files: Files, layout: Layout, backup_id: int, meta: bytes, problems: list[str]
) -> BackupManifest | None:
    try:
        data = files.read_bytes(layout.manifest_of(backup_id))
        manifest = decode_manifest(data, f"manifests/{backup_id}")
    except FileMissing:
        return None
    except TooManyOpenFiles:
        raise
    except (StorageError, BackupDamaged) as exc:
        problems.append(exc.message)
        return None
    if manifest.meta_digest != digest(meta) or manifest.backup_id != backup_id:
        # RocksDB reuses ids after deletions: such a manifest speaks of another backup than the meta does.
        problems.append(f"meta/{backup_id} is not the one that manifests/{backup_id} was written for")
        return None
    return manifest


def _with_sizes(
    files: Files, layout: Layout, backup_id: int, meta: BackupMeta, stored: dict[str, StoredFile]
) -> tuple[BackupFile, ...]:
    sizes = _sizes(files, layout, [file.path for file in meta.files])
    result = []
    for file, size in zip(meta.files, sizes, strict=True):
        ours = stored.get(file.path)
        name = restored_name(file.path, backup_id)
        if name is None:
            raise BackupDamaged(f"{file.path} is not a path of backup {backup_id}")
        expected = ours.size if ours else file.size
        result.append(BackupFile(file.path, name, size, expected, file.crc32c, ours.xxh3 if ours else None))
    return tuple(result)


def _sizes(files: Files, layout: Layout, paths: Sequence[str]) -> list[int | None]:
    """The size of each file, None where it is missing, not a regular file, or cannot be looked at."""
    root = files.open_directory(layout.root)
    try:
        found = files.stat_many(root, paths)
    finally:
        files.close(root)
    return [None if number else size for number, _, _, size, _, _ in found]


def _size_problem(file: BackupFile) -> str | None:
    if file.size is None:
        return f"{file.path} is missing"
    if file.expected_size is not None and file.size != file.expected_size:
        return f"{file.path} has {file.size} bytes instead of {file.expected_size}"
    named = _size_in_name(file.path)
    if named is not None and file.size != named:
        return f"{file.path} has {file.size} bytes, not those in its name"
    return None


def _size_in_name(path: str) -> int | None:
    """A shared file's name ends in its size, so schema 1 backups have a size check too."""
    if not path.startswith("shared_checksum/"):
        return None
    stem = path.rsplit(".", 1)[0]
    _, separator, size = stem.rpartition("_")
    return int(size) if separator and size.isdigit() else None


def _crc_disagreements(meta: BackupMeta, stored: dict[str, StoredFile]) -> list[str]:
    if not stored:
        return []
    return [
        f"{file.path} has another checksum in meta than in our manifest"
        for file in meta.files
        if (ours := stored.get(file.path)) is None or (file.crc32c is not None and ours.crc32c != file.crc32c)
    ]


def load_catalog(files: Files, layout: Layout) -> list[Backup]:
    """Every backup of the repository, oldest id first."""
    backups = []
    for backup_id in backup_ids(files, layout):
        try:
            backups.append(load_backup(files, layout, backup_id))
        except BackupNotFound:
            continue  # deleted since the listing: it is not there any more
    return backups


def pick_backup(files: Files, layout: Layout, backup_id: int | None) -> Backup:
    """The backup with that id, or the newest one. Raises: BackupNotFound."""
    if backup_id is None:
        ids = backup_ids(files, layout)
        if not ids:
            raise BackupNotFound(f"no backups in {layout.root}", hint="`checkpoint create` makes the first one.")
        backup_id = ids[-1]
    return load_backup(files, layout, backup_id)


def newest_manifest(files: Files, layout: Layout) -> BackupManifest | None:
    """The manifest of the newest backup that has a valid one."""
    for backup_id in reversed(backup_ids(files, layout)):
        try:
            meta = files.read_bytes(layout.meta_of(backup_id), limit=MAX_META_BYTES)
        except FileMissing:
            continue  # deleted since the listing
        manifest = _manifest_of(files, layout, backup_id, meta, [])
        if manifest is not None:
            return manifest
    return None
