"""One disk or two, links and clones between database and repository, and what the file systems are."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from walrus_fast.doctor.finding import fail, ok, warn
from walrus_fast.doctor.mounts import disks_behind, mount_of
from walrus_fast.doctor.subject import nearest_folder
from walrus_fast.doctor.trial import trial_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from walrus_fast.doctor.finding import Finding
    from walrus_fast.doctor.subject import Subject
    from walrus_fast.files import Files

    Operation = Callable[[int, Sequence[str], int, Sequence[str]], list[int]]

__all__ = ["can_clone", "can_link", "check_disks", "check_file_systems", "check_links"]

_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs")
_FLEETING = ("tmpfs", "ramfs")


def check_disks(subject: Subject) -> Iterator[Finding]:
    """A backup on the database's disk goes when the disk goes."""
    if subject.database is None or subject.repository is None:
        return
    database, repository = nearest_folder(subject.database), nearest_folder(subject.repository)
    advice = "Put the repository on another disk, or copy it to one regularly; `--transfer-mode copy` helps little."
    if subject.files.device_of(database) == subject.files.device_of(repository):
        yield warn(
            "same-disk",
            "the repository is on the database's file system: a backup protects against deletion and bad writes, not "
            "against the disk, and a hard link is not even a second copy of the bytes",
            advice,
        )
        return
    shared = disks_behind(database) & disks_behind(repository)
    if shared:
        names = ", ".join(sorted(shared))
        yield warn("same-disk", f"database and repository are two file systems on one disk ({names})", advice)
    else:
        yield ok("same-disk", "the repository is on another disk than the database")


def check_links(subject: Subject) -> Iterator[Finding]:
    """What a backup will cost: tried with a real file of the database and a temporary name in the repository."""
    if not subject.has_database or not subject.repository_is_writable or subject.repository is None:
        return  # that it cannot be written is said among the permissions
    example, repository = subject.example, nearest_folder(subject.repository)
    if example is None:
        yield ok("links", "the database has no table file yet to try a link with")
        return
    number = can_link(subject, example, repository)
    if number == 0:
        yield ok("links", "a backup links the database's files: nothing is written, no space used before compaction")
    elif can_clone(subject, example, repository) == 0:
        yield ok("links", "a backup clones the database's files (reflink): no bytes are written")
    elif number == errno.EXDEV:
        yield ok("links", "another file system: a backup reads and copies each new file once")
    else:
        yield warn(
            "links",
            f"neither links nor reflinks work here ({os.strerror(number)}): each backup copies what is new",
            "fs.protected_hardlinks forbids links to files of another user: run as the user who owns the database. "
            "Otherwise the file system has none, and copies are all there is.",
        )


def can_link(subject: Subject, example: Path, into: Path) -> int:
    """Try a hard link of a file of the database into a folder; an errno. Raises: StorageError when nothing can be
    written there."""
    return _tried(subject.files, example, into, subject.files.link_many)


def can_clone(subject: Subject, example: Path, into: Path) -> int:
    """Try a reflink; an errno. Raises: as `can_link`."""
    return _tried(subject.files, example, into, subject.files.clone_many)


def _tried(files: Files, example: Path, into: Path, operation: Operation) -> int:
    with trial_folder(files, into) as folder:
        source = files.open_directory(example.parent)
        target = files.open_directory(folder)
        try:
            (number,) = operation(source, [example.name], target, ["trial"])
        finally:
            files.close(source)
            files.close(target)
    return number


def check_file_systems(subject: Subject) -> Iterator[Finding]:
    """Kinds of file systems that do not keep what they are given, or do not lock."""
    if subject.repository is None:
        return
    mount = mount_of(nearest_folder(subject.repository))
    if mount.kind in _FLEETING:
        yield fail(
            "file-system",
            f"the repository is on {mount.kind} at {mount.point}: it is gone after a reboot",
            "Choose a folder on a disk.",
        )
    elif mount.kind in _NETWORK:
        yield warn(
            "file-system",
            f"the repository is on {mount.kind} at {mount.point}: locks may not reach other machines",
            "Let one machine write into it, and none of the others.",
        )
    else:
        yield ok("file-system", f"the repository is on {mount.kind} at {mount.point}")
