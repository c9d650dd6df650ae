"""Delete: take one backup out of a repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.repository.kept import refuse_pinned
from walrus_fast.repository.layout import open_repository, prepare_repository
from walrus_fast.repository.lock import lock_to_write
from walrus_fast.repository.removal import remove_backup
from walrus_fast.repository.staging import staging_folder

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["DeleteReport", "delete_backup"]


@dataclass(frozen=True, slots=True)
class DeleteReport:
    """`shared_files_kept`: another backup's meta cannot be read, so no shared file was deleted."""

    backup_id: int
    shared_files_kept: bool


def delete_backup(files: Files, repository: Path, backup_id: int, *, wait_seconds: float = 0.0) -> DeleteReport:
    """Delete one backup, damaged or not. Files that other backups need stay.

    Raises: RepositoryNotFound, BackupNotFound, BackupPinned, RepositoryBusy, StorageError. A crash leaves
    every other backup whole; the next writer removes what is left of this one.
    """
    open_repository(files, repository)
    layout = prepare_repository(files, repository)
    with lock_to_write(files, layout.lock, wait_seconds=wait_seconds), staging_folder(files, layout):
        refuse_pinned(files, layout, backup_id)
        return DeleteReport(backup_id, shared_files_kept=not remove_backup(files, layout, backup_id))
