"""Limits of the system and of this process."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from walrus_fast.doctor.disks import can_link
from walrus_fast.doctor.finding import fail, ok, warn
from walrus_fast.doctor.subject import nearest_folder
from walrus_fast.doctor.trial import trial_folder
from walrus_fast.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walrus_fast.doctor.finding import Finding
    from walrus_fast.doctor.subject import Subject

__all__ = ["check_kernel", "check_open_files"]

_OWN_DESCRIPTORS = 100  # what a process of ours has open besides pins


def check_open_files(subject: Subject) -> Iterator[Finding]:
    """Where no link can be made, each file of the database is pinned by an open descriptor."""
    if not subject.has_database or subject.database is None:
        return
    needed = len(subject.live.files) + _OWN_DESCRIPTORS
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    room = f"{len(subject.live.files)} files, and {'any number' if unlimited else hard} may be open"
    if unlimited or hard >= needed:
        yield ok("open-files", f"the database has {room}")
    elif _pins_by_link(subject):
        yield ok("open-files", f"the database has {room}; they are pinned by links, which need no descriptors")
    else:
        yield fail(
            "open-files",
            f"the database has {room}: without links a backup cannot hold them all",
            f"`LimitNOFILE={1 << needed.bit_length()}` in the unit (or ulimit -n), or --pin-dir (walrus_fast.pin_dir) "
            "in a folder on the database's file system that may be written.",
        )


def _pins_by_link(subject: Subject) -> bool:
    """Whether a link can be made where pins may be: in the repository, or beside the database."""
    assert subject.database is not None
    example = subject.example
    for place in (subject.repository, subject.places.pin_dir or subject.database.parent):
        if place is None or example is None:
            continue
        try:
            if can_link(subject, example, nearest_folder(place)) == 0:
                return True
        except StorageError:
            continue  # it may not be written: no link can be made there
    return False


def check_kernel(subject: Subject) -> Iterator[Finding]:
    """What we ask of the kernel and is not there everywhere: old kernels, sandboxes, odd file systems."""
    if not Path("/proc/self/fd").is_dir():
        yield fail("kernel", "/proc is not mounted", "Mount it: owners and descriptors are found there.")
    try:
        os.close(os.memfd_create("walrus-fast-doctor", os.MFD_CLOEXEC))
    except OSError as exc:
        yield fail("kernel", f"memfd_create: {exc.strerror}", "Workers share counters by it: allow it.")
    if subject.database is None:
        return
    folder = nearest_folder(subject.database.parent)
    if not os.access(folder, os.W_OK):
        return  # said among the permissions
    files = subject.files
    with trial_folder(files, folder) as trial:
        for name in ("one", "two"):
            files.close(files.create(trial / name))
        try:
            files.exchange(trial / "one", trial / "two")
        except StorageError as exc:
            if exc.number not in (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP):
                raise
            yield warn(
                "kernel",
                f"the file system of {folder} cannot exchange two names in one step",
                "A restore uses two renames and its journal instead: a kill between them leaves no database at its "
                "name until the next `restore`, which finishes it.",
            )
        else:
            yield ok("kernel", "the kernel has what is asked of it; a restore exchanges the database in one step")
