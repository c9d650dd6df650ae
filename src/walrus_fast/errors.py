"""The one error tree.

    WalrusFastError
    ├── DatabaseError
    │   ├── DatabaseNotFound          10  no database at that path
    │   ├── DatabaseDamaged           11  files are missing or do not match the MANIFEST
    │   ├── DatabaseOwned             12  a running process holds its LOCK
    │   └── SnapshotUnstable          13  the database changed too fast for the allowed rounds
    ├── ConfigInvalid                 15  the configuration file says something that cannot be
    ├── RepositoryError
    │   ├── RepositoryNotFound        20  no repository at that path
    │   ├── RepositoryUnusable        21  the path cannot be a repository
    │   ├── RepositoryForeign         22  the folder holds files that are not a repository's
    │   ├── RepositoryBusy            23  another writer or a reader holds it
    │   ├── BackupNotFound            24  no backup with that id
    │   ├── BackupDamaged             25  a backup is not what was written
    │   └── BackupPinned              26  a backup is to be kept until it is unpinned
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
    ├── ServerError
    │   ├── ServerUnreachable         50  no server answers on the socket
    │   ├── SocketInUse               51  another server answers on the socket
    │   ├── SocketUnusable            52  no socket can be made at that path
    │   ├── ProtocolViolation         53  the other side does not speak the protocol
    │   ├── PeerRefused               54  the caller is neither the server's user nor root
    │   ├── QueueFull                 55  too many jobs or requests are waiting
    │   ├── JobNotFound               56  no job with that id
    │   └── ServerStopping            57  the server accepts no more work
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


class ConfigInvalid(WalrusFastError):
    """The configuration file cannot be read, or a value in it cannot be."""

    code = "config-invalid"
    exit_status = 15
    default_hint = "`walrus-node config check --config-path FILE` says whether a file is right before a node reads it."


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


class BackupPinned(RepositoryError):
    """The backup is pinned: nothing deletes it."""

    code = "backup-pinned"
    exit_status = 26
    default_hint = "`checkpoint unpin` lets go of it."


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


class ServerError(WalrusFastError):
    """Something about the admin server, its socket or a request to it."""

    code = "server"
    exit_status = 50


class ServerUnreachable(ServerError):
    """No server answers on the socket, or it went away in the middle."""

    code = "server-unreachable"
    retryable = True
    default_hint = "Is the node running, and is --socket-path its admin_socket_path?"


class SocketInUse(ServerError):
    """A server answers on the socket already; its socket is not taken from it."""

    code = "socket-in-use"
    exit_status = 51
    default_hint = "Stop the other server first, or give this one another admin_socket_path."


class SocketUnusable(ServerError):
    """The path cannot be this server's socket: too long, another user's, or not a socket."""

    code = "socket-unusable"
    exit_status = 52


class ProtocolViolation(ServerError):
    """The other side sent something that is not of the protocol, or too much of it."""

    code = "protocol-violation"
    exit_status = 53
    default_hint = "docs/protocol.md describes it. Are the client and the server of the same version?"


class PeerRefused(ServerError):
    """The caller is neither the user that the server runs as nor root."""

    code = "peer-refused"
    exit_status = 54
    default_hint = "Run it as the node's user, e.g. sudo -u walrus."


class QueueFull(ServerError):
    """As many jobs or requests wait as may wait."""

    code = "queue-full"
    exit_status = 55
    retryable = True
    default_hint = "Wait until some are done, or cancel some."


class JobNotFound(ServerError):
    """No job with that id, or none at all."""

    code = "job-not-found"
    exit_status = 56
    default_hint = "`checkpoint status` shows the jobs of this run of the server; `checkpoint list` the backups."


class ServerStopping(ServerError):
    """The server is on its way out."""

    code = "server-stopping"
    exit_status = 57
    retryable = True
    default_hint = "Try again when it has been started again."


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


def error_of_code(code: str, message: str, *, hint: str, exit_status: int) -> WalrusFastError:
    """The error that another process of ours described; a code of a newer version becomes a plain error."""
    kinds = [WalrusFastError]
    for kind in kinds:
        if kind.code == code and kind is not WalrusFastError:
            return _rebuild(kind, message, {"message": message, "hint": hint})
        kinds.extend(kind.__subclasses__())
    return _rebuild(
        WalrusFastError, message, {"message": message, "hint": hint, "code": code, "exit_status": exit_status}
    )
