"""Errors about the database, and about the configuration that names it."""

from __future__ import annotations

from walrus_fast.errors.root import WalrusFastError


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


class RestoreRefused(WalrusFastError):
    """The restore would do something that the operator has not asked for."""

    code = "restore-refused"
    exit_status = 35
