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

from walrus_fast.errors.database import (
    ConfigInvalid,
    DatabaseDamaged,
    DatabaseError,
    DatabaseNotFound,
    DatabaseOwned,
    RestoreRefused,
    SnapshotUnstable,
)
from walrus_fast.errors.repository import (
    BackupDamaged,
    BackupNotFound,
    BackupPinned,
    RepositoryBusy,
    RepositoryError,
    RepositoryForeign,
    RepositoryNotFound,
    RepositoryUnusable,
)
from walrus_fast.errors.root import (
    WalrusFastError,
    error_of_code,
)
from walrus_fast.errors.server import (
    JobNotFound,
    PeerRefused,
    ProtocolViolation,
    QueueFull,
    ServerError,
    ServerStopping,
    ServerUnreachable,
    SocketInUse,
    SocketUnusable,
)
from walrus_fast.errors.storage import (
    DiskFull,
    FileExists,
    FileMissing,
    NotPermitted,
    StorageError,
    TooManyOpenFiles,
    TransferModeUnsupported,
    foreign_error,
    storage_error,
    translated,
)
from walrus_fast.errors.work import (
    Cancelled,
    TimedOut,
    WorkerDied,
)

__all__ = [
    "BackupDamaged",
    "BackupNotFound",
    "BackupPinned",
    "Cancelled",
    "ConfigInvalid",
    "DatabaseDamaged",
    "DatabaseError",
    "DatabaseNotFound",
    "DatabaseOwned",
    "DiskFull",
    "FileExists",
    "FileMissing",
    "JobNotFound",
    "NotPermitted",
    "PeerRefused",
    "ProtocolViolation",
    "QueueFull",
    "RepositoryBusy",
    "RepositoryError",
    "RepositoryForeign",
    "RepositoryNotFound",
    "RepositoryUnusable",
    "RestoreRefused",
    "ServerError",
    "ServerStopping",
    "ServerUnreachable",
    "SnapshotUnstable",
    "SocketInUse",
    "SocketUnusable",
    "StorageError",
    "TimedOut",
    "TooManyOpenFiles",
    "TransferModeUnsupported",
    "WalrusFastError",
    "WorkerDied",
    "error_of_code",
    "foreign_error",
    "storage_error",
    "translated",
]
