"""A writer's folder in `.walrus-fast/staging/`: all work is done there and moved into place at the end.

The folder is made first and removed last. One that is there when a writer begins tells that another died, and
what it may have left elsewhere is swept then; readers sweep nothing. RocksDB's own writers make `private/<id>` first
and `meta/<id>` last: a private folder without a meta tells the same of them.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from walrus_fast.durable import undone_by
from walrus_fast.errors import BackupDamaged, FileMissing, StorageError, storage_error
from walrus_fast.repository.catalog import backup_ids
from walrus_fast.repository.meta import MAX_META_BYTES, decode_meta

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.repository.layout import Layout

__all__ = ["referenced_files", "remove_shared", "remove_unreferenced", "staging_folder", "sweep_leftovers"]

_PRIVATE_NAME = re.compile(r"[0-9]+(\.tmp)?")  # RocksDB's engine makes <id>.tmp first


@contextmanager
def staging_folder(files: Files, layout: Layout) -> Iterator[Path]:
    """Sweep what dead writers left, make a folder for this one, and remove it at the end whatever happens.

    The caller holds the write lock.
    """
    sweep_leftovers(files, layout)
    folder = layout.staging / f"{os.getpid()}"
    files.make_directory(folder, 0o700)
    # A job that failed half-way may have left more than this folder: files without a backup. What cannot be swept
    # now keeps the folder, and so its mark for the next writer.
    with undone_by(lambda: sweep_leftovers(files, layout)):
        yield folder
    try:
        files.remove_tree(folder)
    except StorageError:
        pass  # the work is done and must not be reported as failed; the next writer sweeps the folder


def sweep_leftovers(files: Files, layout: Layout) -> None:
    """Bring the repository back to what its metas say after a writer died. The caller holds the write lock.

    Raises: StorageError; then the staging folders are still there and the next writer tries again.
    """
    ids = {str(backup_id) for backup_id in backup_ids(files, layout)}
    for name, is_directory in files.list_directory(layout.manifests):
        if name not in ids and not is_directory:
            files.unlink(layout.manifests / name, missing_ok=True)
    leftovers = [layout.staging / name for name, _ in files.list_directory(layout.staging)]
    leftovers += [
        layout.private / name
        for name, is_directory in files.list_directory(layout.private)
        if is_directory and _PRIVATE_NAME.fullmatch(name) and name not in ids
    ]
    if leftovers:
        try:
            remove_unreferenced(files, layout, referenced_files(files, layout))
        except BackupDamaged:
            pass  # what that backup names is not known: every shared file stays
    for leftover in leftovers:
        files.remove_tree(leftover)


def remove_unreferenced(files: Files, layout: Layout, keep: set[str]) -> None:
    """Delete the shared files whose paths are not in `keep`."""
    for folder in (layout.shared, layout.shared_by_number):
        try:
            found = files.list_directory(folder)
        except FileMissing:
            continue  # only backups that RocksDB made with other options use the second one
        prefix = f"{folder.name}/"
        _remove(files, folder, [name for name, is_directory in found if not is_directory and prefix + name not in keep])


def remove_shared(files: Files, layout: Layout, names: list[str]) -> None:
    """Delete shared files by name; those that are gone already are fine."""
    _remove(files, layout.shared, names)


def _remove(files: Files, folder: Path, names: list[str]) -> None:
    if not names:
        return
    directory = files.open_directory(folder)
    try:
        for name, number in zip(names, files.unlink_many(directory, names), strict=True):
            if number not in (0, errno.ENOENT):
                raise storage_error(number, "remove", folder / name)
    finally:
        files.close(directory)


def referenced_files(files: Files, layout: Layout, *, without: int | None = None) -> set[str]:
    """The paths that the metas name, except those of backup `without`.

    Raises: BackupDamaged when any of them cannot be read, StorageError.
    """
    paths: set[str] = set()
    for backup_id in backup_ids(files, layout):
        if backup_id != without:
            meta = decode_meta(files.read_bytes(layout.meta_of(backup_id), limit=MAX_META_BYTES), backup_id)
            paths.update(file.path for file in meta.files)
    return paths
