"""The one error tree.

    WalrusFastError
    ├── DatabaseError
    │   ├── DatabaseNotFound          10  no database at that path
    │   ├── DatabaseDamaged           11  files are missing or do not match the MANIFEST
    │   ├── DatabaseOwned             12  a running process holds its LOCK
    │   ├── SnapshotUnstable          13  the database changed too fast for the allowed rounds
    │   └── DatabaseUnsupported       14  a feature or file format that we do not know
    ├── RepositoryError
    │   ├── RepositoryNotFound        20  no repository at that path
    │   ├── RepositoryUnusable        21  the path cannot be a repository
    │   ├── RepositoryForeign         22  the folder holds files that are not a repository's
    │   ├── RepositoryBusy            23  another writer or a reader holds it
    │   ├── BackupNotFound            24  no backup with that id
    │   └── BackupDamaged             25  a backup is not what was written
    ├── StorageError                  30  a file operation failed
    │   ├── FileMissing               30
    │   ├── FileExists                30
    │   ├── DiskFull                  31
    │   ├── NotPermitted              32  permissions, read-only file system
    │   ├── TooManyOpenFiles          33
    │   └── TransferModeUnsupported   34  the file system cannot link or clone
    ├── RestoreRefused                35  the target is not ours to replace
    ├── WorkerDied                    40
    ├── TimedOut                      41
    └── Cancelled                    130

`code` is stable and goes over the wire and into JSON; `exit_status` is the process's; `hint` tells the
operator what to do next. Messages are lower case and end without a full stop, hints are sentences.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path


class WalrusFastError(Exception):
    """Root of every error that walrus-fast raises on purpose."""

    code: ClassVar[str] = "internal"
    exit_status: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross the pipe between worker and parent: rebuild without calling subclass constructors.
        return _rebuild, (type(self), self.message, dict(self.__dict__))


def _rebuild(kind: type[WalrusFastError], message: str, state: dict[str, object]) -> WalrusFastError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class DatabaseError(WalrusFastError):
    """Something about the database that is to be backed up or replaced."""

    code = "database"
    exit_status = 10


class DatabaseNotFound(DatabaseError):
    """There is no RocksDB database at the path."""

    code = "database-not-found"
    default_hint = "Check --db-path: a RocksDB directory holds a file named CURRENT."


class DatabaseDamaged(DatabaseError):
    """A file that the MANIFEST needs is missing or wrong."""

    code = "database-damaged"
    exit_status = 11
    default_hint = "The database itself is damaged: restore it from a backup, or repair it with RocksDB's tools."


class DatabaseOwned(DatabaseError):
    """A running process holds the database's LOCK."""

    code = "database-owned"
    exit_status = 12
    default_hint = "Stop that process first; restoring over a running database would destroy both."


class SnapshotUnstable(DatabaseError):
    """The file set changed in every round; trying again later usually succeeds."""

    code = "snapshot-unstable"
    exit_status = 13
    retryable = True
    default_hint = "The database rewrites its MANIFEST faster than it can be read. Try again, or raise --max-rounds."


class DatabaseUnsupported(DatabaseError):
    """The database uses a format or a set-up that this version does not know."""

    code = "database-unsupported"
    exit_status = 14
    default_hint = "A newer walrus-fast may know it."


class RepositoryError(WalrusFastError):
    """Something about the repository."""

    code = "repository"
    exit_status = 20


class RepositoryNotFound(RepositoryError):
    """No repository at the path."""

    code = "repository-not-found"
    default_hint = "A repository is a folder with meta/, private/ and shared_checksum/; `checkpoint create` makes one."


class RepositoryUnusable(RepositoryError):
    """The path cannot hold a repository."""

    code = "repository-unusable"
    exit_status = 21


class RepositoryForeign(RepositoryError):
    """The folder holds other people's files; a repository is never laid over them."""

    code = "repository-foreign"
    exit_status = 22
    default_hint = "Choose an empty or a new folder."


class RepositoryBusy(RepositoryError):
    """Another process works on the repository."""

    code = "repository-busy"
    exit_status = 23
    retryable = True
    default_hint = "Wait until it has finished, or use --wait."


class BackupNotFound(RepositoryError):
    """No backup with that id, or none at all."""

    code = "backup-not-found"
    exit_status = 24
    default_hint = "`checkpoint list` shows the ids that are there."


class BackupDamaged(RepositoryError):
    """A backup's files or its meta are not what was written."""

    code = "backup-damaged"
    exit_status = 25
    default_hint = "Nothing was deleted. `checkpoint verify` shows which other backups are whole."


class StorageError(WalrusFastError):
    """A file operation failed. `number` is the errno, `path` the file."""

    code = "storage"
    exit_status = 30

    def __init__(self, message: str, *, number: int = 0, path: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.number = number
        self.path = path


class FileMissing(StorageError):
    """ENOENT or ENOTDIR."""

    code = "file-missing"


class FileExists(StorageError):
    """EEXIST or ENOTEMPTY."""

    code = "file-exists"


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


class RestoreRefused(WalrusFastError):
    """The restore would do something that the operator has not asked for."""

    code = "restore-refused"
    exit_status = 35


class WorkerDied(WalrusFastError):
    """A worker process ended without a result (killed, out of memory)."""

    code = "worker-died"
    exit_status = 40
    retryable = True
    default_hint = "Look at the kernel's log for the out-of-memory killer, and try again."


class TimedOut(WalrusFastError):
    """The deadline passed; all work was stopped and cleaned up first."""

    code = "timed-out"
    exit_status = 41
    retryable = True


class Cancelled(WalrusFastError):
    """Stopped on request; all work was stopped and cleaned up first."""

    code = "cancelled"
    exit_status = 130


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
