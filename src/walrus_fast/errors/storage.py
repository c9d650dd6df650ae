"""Failed file operations: the one place where an errno becomes an error of ours."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from walrus_fast.errors.root import WalrusFastError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class StorageError(WalrusFastError):
    """A file operation failed. `number` is the errno, `path` the file."""

    code = "storage"
    exit_status = 30
    default_hint = "The kernel's log (journalctl -k) may say more about the disk."

    def __init__(self, message: str, *, number: int = 0, path: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.number = number
        self.path = path


class FileMissing(StorageError):
    """ENOENT or ENOTDIR."""

    code = "file-missing"
    default_hint = "Check the path: is the disk mounted, is it the right folder?"


class FileExists(StorageError):
    """EEXIST or ENOTEMPTY."""

    code = "file-exists"
    default_hint = "Something else has that name: move it away, or choose another."


class DiskFull(StorageError):
    """ENOSPC or EDQUOT."""

    code = "disk-full"
    exit_status = 31
    default_hint = "Free space or choose another disk; what is there already was not touched."


class NotPermitted(StorageError):
    """EACCES, EPERM or EROFS."""

    code = "not-permitted"
    exit_status = 32
    default_hint = "Run as the user that owns the files (for a Walrus node: sudo -u walrus)."


class TooManyOpenFiles(StorageError):
    """EMFILE or ENFILE."""

    code = "too-many-open-files"
    exit_status = 33
    default_hint = "Raise the limit (ulimit -n, LimitNOFILE=), or give --pin-dir on the database's file system."


class TransferModeUnsupported(StorageError):
    """The operator asked for links or clones and the file system has none."""

    code = "transfer-mode-unsupported"
    exit_status = 34
    default_hint = "Use --transfer-mode auto, or put the repository on the database's file system."


# Errnos that decide the kind of a storage error; every other one is a plain StorageError.
_KINDS: dict[int, type[StorageError]] = {
    errno.ENOENT: FileMissing,
    errno.ENOTDIR: FileMissing,
    errno.EEXIST: FileExists,
    errno.ENOTEMPTY: FileExists,
    errno.ENOSPC: DiskFull,
    errno.EDQUOT: DiskFull,
    errno.EACCES: NotPermitted,
    errno.EPERM: NotPermitted,
    errno.EROFS: NotPermitted,
    errno.EMFILE: TooManyOpenFiles,
    errno.ENFILE: TooManyOpenFiles,
}


def storage_error(number: int, action: str, path: Path | str) -> StorageError:
    """The storage error for an errno, e.g. `storage_error(ENOSPC, "write", path)`."""
    kind = _KINDS.get(number, StorageError)
    return kind(f"cannot {action} {path}: {os.strerror(number)}", number=number, path=str(path))


@contextmanager
def translated(action: str, path: Path | str | int) -> Iterator[None]:
    """Makes OSError a StorageError that names the file; of an open descriptor, what is open.

    Takes a microsecond, which the calls that are made for each of 100,000 files save.
    """
    try:
        yield
    except (OSError, ValueError) as exc:
        raise foreign_error(exc, action, path) from exc


def foreign_error(exc: OSError | ValueError, action: str, path: Path | str | int) -> StorageError:
    """The storage error for an exception of Python's."""
    if not isinstance(exc, OSError):  # a NUL or half a surrogate in a name: Python refuses it before the kernel can
        return storage_error(errno.EINVAL, action, repr(str(path)))
    return storage_error(exc.errno or 0, action, _name_of(path) if isinstance(path, int) else path)


def _name_of(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return f"descriptor {fd}"  # closed: its number is all that is left
