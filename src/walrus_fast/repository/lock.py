"""One writer per repository, across processes; readers that need the files to stay keep writers out."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from walrus_fast.errors import FileMissing, NotPermitted, RepositoryBusy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["lock_to_read", "lock_to_write"]

_POLL = 0.2  # seconds between tries while waiting; flock has no wait with a deadline


@contextmanager
def lock_to_write(files: Files, lock: Path, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Be the only one in the repository. The kernel frees the lock when the process dies, however it dies.

    Raises: RepositoryBusy after `wait_seconds`, StorageError.
    """
    fd = _acquire(files, lock, shared=False, wait_seconds=wait_seconds)
    try:
        yield
    finally:
        files.close(fd)


@contextmanager
def lock_to_read(files: Files, lock: Path, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Keep writers out while files are read.

    A repository without our folder (made by RocksDB, or mounted read-only) has no lock to take and no writer of
    ours that would respect it; reading goes ahead.
    Raises: RepositoryBusy after `wait_seconds`, StorageError.
    """
    try:
        fd = _acquire(files, lock, shared=True, wait_seconds=wait_seconds)
    except (FileMissing, NotPermitted):
        yield
        return
    try:
        yield
    finally:
        files.close(fd)


def _acquire(files: Files, lock: Path, *, shared: bool, wait_seconds: float) -> int:
    deadline = time.monotonic() + wait_seconds
    while (fd := files.lock(lock, shared=shared, create=not shared)) is None:
        if time.monotonic() >= deadline:
            what = "a backup, a deletion" if shared else "another process (a backup, a verification, a restore)"
            raise RepositoryBusy(f"{lock.parent.parent} is in use by {what}")
        time.sleep(_POLL)
    return fd
