"""Errors about the repository and the backups in it."""

from __future__ import annotations

from walrus_fast.errors.root import WalrusFastError


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
