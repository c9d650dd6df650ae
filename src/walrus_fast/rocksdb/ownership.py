"""Who owns a database: the holder of the `fcntl` write lock on its LOCK file."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from walrus_fast.errors import DatabaseOwned, FileMissing, StorageError, storage_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["hold_database", "is_held", "owned_by", "owner_pid"]

_FLOCK = struct.Struct("@hhqqi4x")  # struct flock on 64-bit Linux: type, whence, start, length, pid


def owner_pid(files: Files, database: Path) -> int | None:
    """The pid that holds the database's LOCK, or None when nobody does or there is no LOCK file.

    0 stands for a holder in another pid namespace (a container), whose pid we cannot see. Must not be called
    in the process that owns the database: closing any descriptor of LOCK drops that process's lock (POSIX).
    Raises: StorageError when LOCK is there and cannot be opened.
    """
    try:
        fd = files.open_read(database / "LOCK")
    except FileMissing:
        return None
    try:
        return _holder(fd, database)
    finally:
        files.close(fd)


def _holder(fd: int, database: Path) -> int | None:
    request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, request)
    except OSError as exc:
        raise storage_error(exc.errno or 0, "ask for the lock of", database) from exc
    kind, _, _, _, pid = _FLOCK.unpack(answer)
    return None if kind == fcntl.F_UNLCK else max(pid, 0)


@contextmanager
def hold_database(files: Files, database: Path) -> Iterator[int | None]:
    """Hold a database's LOCK as its owner would, so that no node starts on it meanwhile; gives its descriptor.

    A folder with nothing in it, or none at all, has nothing to hold: None, see `is_held`. Released at the end of the
    block or by the death of the process; `owner_pid` must not be called in between (see there).
    Raises: DatabaseOwned naming the pid, or when another restore has just exchanged the folder; StorageError.
    """
    try:
        names = [name for name, _ in files.list_directory(database)]
    except FileMissing:
        names = []
    if not names:
        yield None
        return
    fd = files.open_lock(database / "LOCK")
    try:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EACCES):  # what POSIX answers when it is held
                raise storage_error(exc.errno or 0, "lock", database / "LOCK") from exc
            raise owned_by(_holder(fd, database), database) from exc
        if not is_held(files, database, fd):
            # A restore held it when we opened it and has put another database here since: its LOCK is another one.
            raise DatabaseOwned(f"{database} was exchanged for another database just now")
        yield fd
    finally:
        if "LOCK" not in names:
            _remove_own_lock(files, database, fd)
        files.close(fd)


def is_held(files: Files, database: Path, held: int | None) -> bool:
    """Whether what `hold_database` gave holds the database that is there now: a folder may have been exchanged since,
    or a node may have begun a database where there was nothing to hold.

    Raises: StorageError when that cannot be told.
    """
    try:
        return held is not None and files.stat(database / "LOCK").inode == os.fstat(held).st_ino
    except FileMissing:
        return False  # no LOCK: gone with the folder that was exchanged


def _remove_own_lock(files: Files, database: Path, held: int) -> None:
    """Leave a folder as it was: remove the LOCK that we made, unless another database lies there by now."""
    try:
        if is_held(files, database, held):
            files.unlink(database / "LOCK")
    except StorageError:
        pass  # an empty LOCK harms nobody


def owned_by(pid: int | None, database: Path) -> DatabaseOwned:
    """The error that names the owner of a database."""
    who = f"process {pid}" if pid else "a process that is not visible from here (another container?)"
    return DatabaseOwned(f"{database} is open in {who}, which holds its LOCK")
