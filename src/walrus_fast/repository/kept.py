"""Pinned backups: `.walrus-fast/kept/<id>` holds the digest of the `meta/<id>` that is to be kept.

RocksDB gives an id again once its backup is deleted; the digest keeps the mark from speaking of another backup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.checksum import digest
from walrus_fast.durable import publish
from walrus_fast.errors import BackupNotFound, BackupPinned, FileMissing
from walrus_fast.repository.catalog import backup_ids
from walrus_fast.repository.meta import MAX_META_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.repository.layout import Layout

__all__ = ["keep_backup", "kept_ids", "let_go_of_backup", "refuse_pinned"]


def _folder(layout: Layout) -> Path:
    return layout.ours / "kept"


def _meta_digest(files: Files, layout: Layout, backup_id: int) -> bytes:
    try:
        return digest(files.read_bytes(layout.meta_of(backup_id), limit=MAX_META_BYTES)).hex().encode()
    except FileMissing as exc:
        raise BackupNotFound(f"no backup {backup_id} in {layout.root}") from exc


def keep_backup(files: Files, layout: Layout, backup_id: int, *, staging: Path) -> None:
    """Pin a backup, durably; fine when it is pinned. The caller holds the write lock and the staging folder.

    Raises: BackupNotFound, StorageError.
    """
    mark = _meta_digest(files, layout, backup_id) + b"\n"
    files.make_directories(_folder(layout))
    publish(files, _folder(layout) / str(backup_id), mark, temporary=staging / "kept.new", sync=True)


def let_go_of_backup(files: Files, layout: Layout, backup_id: int) -> None:
    """Unpin a backup; fine when it is not pinned. Raises: BackupNotFound, StorageError."""
    if backup_id not in backup_ids(files, layout):
        raise BackupNotFound(f"no backup {backup_id} in {layout.root}")
    files.unlink(_folder(layout) / str(backup_id), missing_ok=True)


def kept_ids(files: Files, layout: Layout) -> frozenset[int]:
    """The pinned backups. Raises: StorageError."""
    try:
        names = [name for name, _ in files.list_directory(_folder(layout))]
    except FileMissing:
        return frozenset()
    marked = {int(name) for name in names if name.isascii() and name.isdigit()} & set(backup_ids(files, layout))
    return frozenset(id_ for id_ in marked if _is_kept(files, layout, id_))


def _is_kept(files: Files, layout: Layout, backup_id: int) -> bool:
    try:
        mark = files.read_bytes(_folder(layout) / str(backup_id), limit=1024).strip()
        return mark == _meta_digest(files, layout, backup_id)
    except (FileMissing, BackupNotFound):
        return False  # unpinned or deleted since the listing


def refuse_pinned(files: Files, layout: Layout, backup_id: int) -> None:
    """Raises: BackupPinned when the backup is pinned, StorageError."""
    if backup_id in kept_ids(files, layout):
        raise BackupPinned(f"backup {backup_id} in {layout.root} is pinned")
