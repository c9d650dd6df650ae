"""What must hold before a restore touches anything, and before it puts anything in place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from walrus_fast.errors import BackupDamaged, DatabaseError, RestoreRefused, StorageError
from walrus_fast.operations.progress import JobProgress, Phase
from walrus_fast.operations.proof.closure import check_closure
from walrus_fast.operations.proof.prove import open_backups
from walrus_fast.rocksdb.identity import read_database_id
from walrus_fast.rocksdb.manifest import ManifestReader
from walrus_fast.rocksdb.ownership import owned_by, owner_pid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.operations.progress import Observer
    from walrus_fast.operations.proof.closure import Closure
    from walrus_fast.operations.proof.prove import Candidate
    from walrus_fast.repository.catalog import Backup
    from walrus_fast.repository.layout import Layout
    from walrus_fast.rocksdb.manifest import LiveSet

__all__ = ["check_backup", "check_target", "data_folders_note", "require_closure", "require_opening"]


def check_backup(backup: Backup) -> None:
    """Raises: BackupDamaged when names or sizes say already that the backup is not whole."""
    if backup.is_damaged:
        more = f" (and {len(backup.problems) - 1} more problems)" if len(backup.problems) > 1 else ""
        raise BackupDamaged(f"backup {backup.backup_id} cannot be restored: {backup.problems[0]}{more}")


def check_target(files: Files, target: Path, backup: Backup, *, wal_dir_given: bool, force: bool) -> None:
    """Raises: DatabaseOwned, RestoreRefused (no folder, WALs elsewhere, another node's database)."""
    if (pid := owner_pid(files, target)) is not None:
        raise owned_by(pid, target)
    if os.path.lexists(target) and not target.is_dir():
        raise RestoreRefused(f"{target} is not a folder", hint="Check --db-path.")
    manifest = backup.manifest
    if manifest is None:
        return
    if manifest.wal_dir is not None and not wal_dir_given:
        raise RestoreRefused(
            f"the database of this backup kept its WALs in {manifest.wal_dir}",
            hint=f"Say where the node will look for them: --wal-dir {manifest.wal_dir}, or --wal-dir {target}.",
        )
    if manifest.database_id and not force:
        present = _database_id(files, target)
        if present and present != manifest.database_id:
            raise RestoreRefused(
                f"{target} holds another database (id {present}) than the backup (id {manifest.database_id})",
                hint="Check --db-path and --db-checkpoint-path; --force if you mean it.",
            )


def _database_id(files: Files, target: Path) -> str:
    """The id of the database that is there; "" when it has none or is too damaged to tell."""
    try:
        with ManifestReader(files, target) as reader:
            reader.refresh()
            return reader.live_set().database_id or read_database_id(files, target)
    except DatabaseError:
        return ""  # no database or a damaged one: there is nothing that could be confused


def require_closure(files: Files, layout: Layout, backup: Backup) -> Closure:
    """Every file that the backup's MANIFEST names is there, its WALs are complete. Raises: BackupDamaged."""
    closure = check_closure(files, layout, backup)
    if closure.damage:
        raise BackupDamaged(f"backup {backup.backup_id} cannot be restored: {closure.damage[0].problem}")
    return closure


def require_opening(
    files: Files, layout: Layout, candidate: Candidate, scratch: Path, observer: Observer, rate: Callable[[], int]
) -> str | None:
    """RocksDB opens the backup, in a process of its own. Says in words what could not be proven, None when all was.

    Opened are the repository's files: what was brought in has just been compared with them, byte for byte.
    Raises: BackupDamaged in RocksDB's words, WorkerDied, and what `observer` raises.
    """
    observer(JobProgress(Phase.PROVING))
    files.remove_tree(scratch)  # of a restore that was killed
    files.make_directory(scratch, 0o700)
    try:
        opening = open_backups(
            files,
            layout,
            scratch,
            [candidate],
            rows=False,
            workers=1,
            rate=rate,
            on_progress=lambda _: observer(JobProgress(Phase.PROVING)),
        )[0]
    except StorageError as exc:
        # A file system without symbolic links, or a full one. The bytes are right; only this proof is missing.
        return f"it was not proven that RocksDB opens the backup: {exc.message}"
    files.remove_tree(scratch)
    if opening.damage:
        raise BackupDamaged(f"backup {candidate.backup.backup_id} cannot be restored: {opening.damage[0].problem}")
    if opening.left_out:
        family, reason = next(iter(opening.left_out.items()))
        return (
            f"it was not proven that RocksDB opens {len(opening.left_out)} column families, such as {family}: {reason}"
        )
    return None


def data_folders_note(live: LiveSet | None, target: Path) -> str | None:
    """What the operator must do when the database was spread over several folders (`db_paths`).

    RocksDB 9.8 opens such a database from one folder and crashes when it closes it, unless db_paths has an entry
    for each path id that the MANIFEST uses.
    """
    highest = max((file.path_id for file in live.tables), default=0) if live else 0
    if highest == 0:
        return None
    return (
        f"the database had {highest + 1} data folders; all its files are in {target} now, so configure db_paths "
        f"with {highest + 1} entries that all name {target}"
    )
