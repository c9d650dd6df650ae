"""Publishing a small file so that a crash leaves the old one or the new one, never half of either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["publish", "write_file"]


def write_file(files: Files, path: Path, data: bytes, *, sync: bool, mode: int = 0o640) -> None:
    """Create `path` with exactly `data`; on any error the partial file is removed again.

    Raises: StorageError. The entry itself is durable only once the caller has synced the directory.
    """
    fd = files.create(path, mode)
    try:
        try:
            files.write_all(fd, data)
            if files.size_of(fd) != len(data):
                raise StorageError(f"cannot write {path}: {files.size_of(fd)} of {len(data)} bytes arrived")
            if sync:
                files.sync(fd, path)
        finally:
            files.close(fd)
    except BaseException:
        files.unlink(path, missing_ok=True)
        raise


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
