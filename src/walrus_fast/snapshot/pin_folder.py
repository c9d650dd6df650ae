"""The pin folder: a hidden sibling of the database that holds link pins when the repository is elsewhere.

Each job has a folder of its own there and keeps a `flock` on it. A folder whose lock is free belongs to a job
that died; the next job sweeps it. So two repositories may back up one database at the same time.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from walrus_fast.durable import undone_by
from walrus_fast.errors import DiskFull, FileMissing, NotPermitted, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["default_pin_directory", "job_pin_folder"]


def default_pin_directory(database: Path) -> Path:
    """`.<name>.walrus-fast-pins` beside the database: on its file system unless it is a mount point."""
    return database.parent / f".{database.name}.walrus-fast-pins"


@contextmanager
def job_pin_folder(files: Files, directory: Path, job: str) -> Iterator[Path | None]:
    """A folder for one job's pins, removed at the end; None when `directory` cannot be written.

    Raises: StorageError for anything but missing permissions, a read-only or a full file system.
    """
    folder = directory / job
    try:
        lock = _claim(files, directory, folder)
    except (NotPermitted, FileMissing, DiskFull):
        _remove_if_empty(files, directory)
        yield None  # a read-only mount, a full disk: descriptors will do
        return
    try:
        with undone_by(lambda: files.remove_tree(folder)):
            yield folder
        try:
            files.remove_tree(folder)
        except StorageError:
            pass  # the job is done and must not be reported as failed; the next job sweeps the folder
    finally:
        files.close(lock)
        _remove_if_empty(files, directory)


def _remove_if_empty(files: Files, directory: Path) -> None:
    try:
        files.remove_directory(directory)
    except StorageError:
        pass  # not there, or another job's pins are in it: it is removed with them


def _claim(files: Files, directory: Path, folder: Path) -> int:
    """Make and lock the job's folder, and sweep those of dead jobs. One job at a time does this."""
    files.make_directories(directory.parent)
    files.own_directory(directory)
    files.distrust(directory, itself=True)
    root = files.open_directory(directory)
    try:
        files.hold(root, wait=True)  # held for the few calls below only, so waiting is harmless
        for name, is_directory in files.list_directory(directory):
            stale = _try_lock(files, directory / name) if is_directory else None
            if stale is not None:
                try:
                    files.remove_tree(directory / name)
                finally:
                    files.close(stale)
        files.make_directory(folder, 0o700)
        lock = _try_lock(files, folder)
        if lock is None:
            raise StorageError(f"cannot lock the new folder {folder}", path=str(folder))
        return lock
    finally:
        files.close(root)


def _try_lock(files: Files, folder: Path) -> int | None:
    fd = files.open_directory(folder)
    with undone_by(lambda: files.close(fd)):
        if files.hold(fd):
            return fd
    files.close(fd)
    return None
