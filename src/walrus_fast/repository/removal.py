"""Deleting a backup: the order of the commit, backwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.errors import BackupDamaged, BackupNotFound
from walrus_fast.repository.catalog import backup_ids
from walrus_fast.repository.staging import referenced_files, remove_unreferenced

if TYPE_CHECKING:
    from walrus_fast.files import Files
    from walrus_fast.repository.layout import Layout

__all__ = ["remove_backup"]


def remove_backup(files: Files, layout: Layout, backup_id: int) -> bool:
    """Delete one backup, damaged or not; the caller holds the write lock and a staging folder.

    First the meta goes, durably: from then on the backup does not exist. Then our manifest, its private folder,
    and the shared files that no other backup names. Returns False when shared files had to stay because another
    backup's meta cannot be read.
    Raises: BackupNotFound, StorageError. After a crash or an error in between, the next writer finishes.
    """
    if backup_id not in backup_ids(files, layout):
        raise BackupNotFound(f"no backup {backup_id} in {layout.root}")
    try:
        others: set[str] | None = referenced_files(files, layout, without=backup_id)
    except BackupDamaged:
        others = None
    files.unlink(layout.meta_of(backup_id))
    files.sync_directory(layout.meta)
    files.unlink(layout.manifest_of(backup_id), missing_ok=True)
    files.remove_tree(layout.private_of(backup_id))
    if others is None:
        return False
    remove_unreferenced(files, layout, others)
    return True
