"""May this user read the database, write the repository, and leave them to the node?"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from walrus_fast.doctor.finding import fail, ok, warn
from walrus_fast.doctor.subject import nearest_folder
from walrus_fast.repository.layout import foreign_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from walrus_fast.doctor.finding import Finding
    from walrus_fast.doctor.subject import Subject

__all__ = ["check_database_permissions", "check_repository_permissions"]


def check_database_permissions(subject: Subject) -> Iterator[Finding]:
    """Backups read the database; a restore exchanges it, which is a write to the folder above."""
    database = subject.database
    if database is None:
        return
    if not database.is_dir():
        yield warn(
            "database",
            f"there is no folder {database}",
            "Right before the first start of a node or a restore. Otherwise check --db-path, or storage_path.",
        )
        return
    if not os.access(database, os.R_OK | os.X_OK):
        yield fail("database", f"user {os.geteuid()} may not read {database}", _as_owner(database))
        return
    unreadable = [path for path in sorted(database.iterdir()) if path.is_file() and not os.access(path, os.R_OK)]
    if unreadable:
        yield fail(
            "database", f"user {os.geteuid()} may not read {unreadable[0].name} of {database}", _as_owner(unreadable[0])
        )
    elif not subject.has_database:
        yield warn("database", f"{database} holds no CURRENT: no database is there", "Check the path.")
    else:
        yield ok("database", f"{database} can be read")
    owner = database.stat().st_uid
    if owner not in (os.geteuid(), 0) and os.geteuid() == 0:
        yield warn(
            "user",
            f"this is root, and the database belongs to user {owner}",
            f"Run it as the node's user: `sudo -u '#{owner}' walrus-fast doctor ...`. What root creates in a "
            "repository the node may not be able to delete.",
        )
    if not os.access(database.parent, os.W_OK):
        yield warn(
            "database-parent",
            f"user {os.geteuid()} may not write {database.parent}",
            "Backups pin files with open descriptors instead of links, and a restore works inside the database's "
            "folder. Both are slower; `walrus_fast.pin_dir` may name another folder on the same file system.",
        )


def check_repository_permissions(subject: Subject) -> Iterator[Finding]:
    """Every folder of a repository is written to, and by one user."""
    repository = subject.repository
    if repository is None:
        return
    folder = nearest_folder(repository)
    if folder == repository and (foreign := foreign_names(subject.names_in(repository))):
        names = ", ".join(sorted(foreign)[:3])
        yield fail("repository", f"{repository} holds files that are not a repository's: {names}", "Check the path.")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield fail("repository", f"user {os.geteuid()} may not write {folder}", _as_owner(folder))
        return
    strange = sorted(_of_others(repository))
    if strange:
        who = os.lstat(strange[0]).st_uid
        advice = "Give them to the user that makes the backups: `chown -R`."
        if os.geteuid() == 0:
            yield warn("repository", f"{strange[0]} belongs to user {who}, and this is root", advice)
        else:
            yield fail("repository", f"{strange[0]} belongs to user {who}, not to user {os.geteuid()}", advice)
    elif folder == repository:
        yield ok("repository", f"{repository} can be written")
    else:
        yield ok("repository", f"{repository} is not there yet, and can be made")
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    if folder == repository and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        yield fail("repository-mode", f"everybody may write {repository}", f"`chmod 750 {repository}`")
    elif folder == repository and _is_open(repository) and _is_open(subject.layout.shared):
        yield warn(
            "repository-mode",
            f"everybody on this machine may look into {repository}, and so read the database's contents",
            f"`chmod 750 {repository}`",
        )


def _is_open(folder: Path) -> bool:
    others = stat.S_IROTH | stat.S_IXOTH
    return folder.is_dir() and folder.stat().st_mode & others == others


def _of_others(repository: Path) -> Iterator[str]:
    """The repository and its folders, where they belong to somebody else."""
    names = ("", "meta", "private", "shared_checksum", ".walrus-fast", ".walrus-fast/lock")
    for path in (repository / name for name in names):
        if path.exists() and path.lstat().st_uid != os.geteuid():
            yield str(path)


def _as_owner(path: Path) -> str:
    return f"Run as the user that it belongs to: `sudo -u '#{path.stat().st_uid}' walrus-fast ...`"
