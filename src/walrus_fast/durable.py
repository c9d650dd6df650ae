"""Publishing a small file so that a crash leaves the old one or the new one, never half of either."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from walrus_fast.errors import NotPermitted, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["make_folders", "publish", "undone_by", "write_file"]


@contextmanager
def undone_by(undo: Callable[[], object]) -> Iterator[None]:
    """When the block fails, undo what it did.

    The block's error is the one that leaves here. On a full or dead disk the undoing often fails as well: then
    leftovers stay, which the next writer sweeps, and the error carries a note of it.
    """
    try:
        yield
    except BaseException as exc:
        try:
            undo()
        except StorageError as second:
            exc.add_note(f"and then cleaning up failed: {second.message}")
        raise


def write_file(files: Files, path: Path, data: bytes, *, sync: bool, mode: int = 0o640) -> None:
    """Create `path` with exactly `data`; on any error the partial file is removed again.

    Raises: StorageError. The entry itself is durable only once the caller has synced the directory.
    """
    fd = files.create(path, mode)
    with undone_by(lambda: files.unlink(path, missing_ok=True)):
        try:
            files.write_all(fd, data)
            if files.size_of(fd) != len(data):
                raise StorageError(f"cannot write {path}: {files.size_of(fd)} of {len(data)} bytes arrived")
            if sync:
                files.sync(fd, path)
        finally:
            files.close(fd)


def make_folders(files: Files, folders: Sequence[Path]) -> None:
    """Make folders that are missing, with their parents, and make their names durable. Fine when they are there.

    Raises: StorageError.
    """
    parents: dict[Path, None] = {}  # in order, each once
    for folder in folders:
        missing = folder
        while not missing.exists():
            missing = missing.parent
            parents[missing] = None
        files.make_directories(folder)
    for parent in parents:
        try:
            files.sync_directory(parent)
        except NotPermitted:
            pass  # a folder that we may write to and not read: its owner's to sync, and it lasts like its other entries


def publish(files: Files, path: Path, data: bytes, *, temporary: Path, sync: bool) -> None:
    """Write `temporary`, make it durable, rename it to `path`, make the rename durable.

    `temporary` must lie on the same file system; what a crash left there is replaced.
    Raises: StorageError; then `path` is what it was before.
    """
    files.unlink(temporary, missing_ok=True)
    write_file(files, temporary, data, sync=sync)
    files.rename(temporary, path)
    if sync:
        files.sync_directory(path.parent)
