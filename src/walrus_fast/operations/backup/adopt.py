"""Adopt: make the backups of a repository that RocksDB made our own, by reading each of them once."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.checksum import digest
from walrus_fast.durable import publish
from walrus_fast.errors import DatabaseError
from walrus_fast.methods import Method
from walrus_fast.operations.progress import Phase, observed, silent
from walrus_fast.operations.proof.damage import Damage, catalog_damage, checksum_damage, named_in, with_sharers
from walrus_fast.repository.catalog import load_catalog
from walrus_fast.repository.layout import open_repository, prepare_repository
from walrus_fast.repository.lock import lock_to_write
from walrus_fast.repository.manifest import BackupManifest, StoredFile, encode_manifest
from walrus_fast.repository.meta import MAX_META_BYTES
from walrus_fast.repository.verification import Tier
from walrus_fast.rocksdb.manifest import ManifestReader
from walrus_fast.transfer.pool import TransferPool
from walrus_fast.transfer.task import FailedFile, TransferItem
from walrus_fast.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.operations.progress import Observer
    from walrus_fast.repository.catalog import Backup
    from walrus_fast.repository.layout import Layout
    from walrus_fast.rocksdb.manifest import LiveSet
    from walrus_fast.transfer.task import TransferredFile

    _Answers = dict[str, TransferredFile | FailedFile]

__all__ = ["AdoptReport", "AdoptedBackup", "adopt_repository"]

TOOL = f"RocksDB BackupEngine (adopted by walrus-fast {VERSION})"


@dataclass(frozen=True, slots=True)
class AdoptedBackup:
    """What became of a backup. `was_ours`: it had our manifest already and was not read.

    `hidden`: RocksDB's own list (and so the original's) does not show it, because its meta cannot be read or a
    file is missing; other damage it shows as a good backup.
    """

    backup_id: int
    files: int
    bytes: int
    adopted: bool
    was_ours: bool
    hidden: bool
    problems: tuple[str, ...]
    damage: tuple[Damage, ...]


@dataclass(frozen=True, slots=True)
class AdoptReport:
    """Every backup of the repository, and what was read to know."""

    backups: tuple[AdoptedBackup, ...]
    files_read: int
    bytes_read: int
    seconds: float

    @property
    def damaged(self) -> tuple[AdoptedBackup, ...]:
        """The backups that were not adopted because they are not what was stored."""
        return tuple(backup for backup in self.backups if backup.problems)


def adopt_repository(
    files: Files,
    repository: Path,
    *,
    workers: int = 2,
    observer: Observer = silent,
    rate: Callable[[], int] = lambda: 0,
    wait_seconds: float = 0.0,
) -> AdoptReport:
    """Checksum what has no xxh3 of ours, compare it with RocksDB's crc32c, and write our manifest for what is sound.

    Nothing else in the repository changes, and nothing is deleted: damaged backups stay as they are and are named.
    What `observer` raises cancels; a backup is adopted or not, never half, and the next run goes on.
    Raises: RepositoryNotFound, RepositoryBusy, RepositoryUnusable (read-only), StorageError, WorkerDied.
    """
    started = time.monotonic()
    open_repository(files, repository)
    layout = prepare_repository(files, repository)
    with lock_to_write(files, layout.lock, wait_seconds=wait_seconds):
        catalog = load_catalog(files, layout)
        strangers = [backup for backup in catalog if backup.manifest is None and not _has_manifest(layout, backup)]
        paths = {f.path: f.size for backup in strangers for f in backup.files if f.size is not None}
        items = [TransferItem(str(layout.root / path), None, size) for path, size in paths.items()]
        with TransferPool(files, workers=workers, rate=rate) as pool:
            answers = pool.survey(items, on_progress=observed(observer, Phase.VERIFYING))
        read = dict(zip(paths, answers, strict=True))
        users = named_in(catalog)
        adopted = []
        for backup in catalog:
            damage = with_sharers(_damage(backup, read), users)
            if backup in strangers and not damage:
                damage = _adopt(files, layout, backup, read)
            adopted.append(_report(backup, damage, was_ours=backup not in strangers))
    return AdoptReport(tuple(adopted), len(items), sum(item.size for item in items), time.monotonic() - started)


def _has_manifest(layout: Layout, backup: Backup) -> bool:
    """A manifest of ours that is damaged is a finding; it is not written over."""
    return layout.manifest_of(backup.backup_id).exists()


def _damage(backup: Backup, read: _Answers) -> list[Damage]:
    found = catalog_damage(backup)
    known = {item.file for item in found}
    for file in backup.files:
        if file.path in read and file.path not in known:
            damage = checksum_damage(backup.backup_id, file, read[file.path])
            if damage is not None:
                found.append(damage)
    return found


def _adopt(files: Files, layout: Layout, backup: Backup, read: _Answers) -> list[Damage]:
    """Write the manifest of a sound backup; findings instead when its MANIFEST cannot be read."""
    try:
        with ManifestReader(files, layout.private_of(backup.backup_id)) as reader:
            reader.refresh()
            live = reader.live_set()
    except DatabaseError as exc:
        private = f"private/{backup.backup_id}"
        problem = f"{private} holds no readable MANIFEST: {exc.message}"
        return [Damage(backup.backup_id, Tier.CLOSURE, private, problem)]
    meta = files.read_bytes(layout.meta_of(backup.backup_id), limit=MAX_META_BYTES)
    data = encode_manifest(_manifest(backup, live, digest(meta), read))
    # A leftover of this name is swept with the manifests of backups that are gone.
    temporary = layout.manifests / f"{backup.backup_id}.new-{os.getpid()}"
    publish(files, layout.manifest_of(backup.backup_id), data, temporary=temporary, sync=True)
    return []


def _manifest(backup: Backup, live: LiveSet, meta_digest: bytes, read: _Answers) -> BackupManifest:
    # No inode or time: nothing is known of the file that this was a copy of, so none is taken for it.
    stored = [
        StoredFile(file.path, answer.size, answer.crc32c, answer.xxh3, Method.COPY, 0, 0)
        for file in backup.files
        if not isinstance(answer := read[file.path], FailedFile)  # a backup that has one is damaged
    ]
    return BackupManifest(
        backup_id=backup.backup_id,
        created=float(backup.timestamp),
        tool=TOOL,
        database="",
        database_id=live.database_id,
        captured_sequence=backup.sequence,
        sequence_is_exact=False,
        families=tuple(family.name for family in live.families),
        wal_dir=None,
        rounds=0,
        pin_seconds=0.0,
        meta_digest=meta_digest,
        files=tuple(stored),
    )


def _report(backup: Backup, damage: list[Damage], *, was_ours: bool) -> AdoptedBackup:
    unreadable = not backup.files
    missing = any(file.size is None for file in backup.files)
    return AdoptedBackup(
        backup_id=backup.backup_id,
        files=len(backup.files),
        bytes=backup.size,
        adopted=not was_ours and not damage,
        was_ours=was_ours,
        hidden=bool(damage) and (unreadable or missing),
        problems=tuple(item.text for item in damage),
        damage=tuple(damage),
    )
