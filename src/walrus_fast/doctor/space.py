"""Room for one more backup, and for the restore of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.doctor.disks import can_clone, can_link
from walrus_fast.doctor.finding import fail, ok, warn
from walrus_fast.doctor.subject import nearest_folder
from walrus_fast.rocksdb.wal import list_wals
from walrus_fast.wording import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walrus_fast.doctor.finding import Finding
    from walrus_fast.doctor.subject import Subject

__all__ = ["check_backup_space", "check_restore_space"]


def check_backup_space(subject: Subject) -> Iterator[Finding]:
    """A first backup copies everything where it cannot link or clone; later ones what is new."""
    if not subject.has_database or not subject.repository_is_writable or subject.repository is None:
        return
    tables, logs = _sizes(subject)
    example, folder = subject.example, nearest_folder(subject.repository)
    shares = example is not None and 0 in (can_link(subject, example, folder), can_clone(subject, example, folder))
    needed = logs if shares else tables + logs
    free = subject.files.free_bytes(folder)
    what = f"{format_bytes(free)} are free for backups, one full backup writes {format_bytes(needed)}"
    if free < needed:
        yield fail("backup-space", what, "Free space, choose another disk, or keep fewer backups (max_db_checkpoints).")
    elif free < 2 * needed:
        yield warn("backup-space", f"{what}: not enough for a second one", "Make room before the database grows.")
    else:
        yield ok("backup-space", what)


def check_restore_space(subject: Subject) -> Iterator[Finding]:
    """A restore needs room beside the database, which it keeps until it is told otherwise."""
    if not subject.has_database or subject.database is None:
        return
    tables, logs = _sizes(subject)
    free = subject.files.free_bytes(subject.database)
    what = f"a restore that shares nothing writes {format_bytes(tables + logs)} beside the database"
    if free < tables + logs:
        yield warn(
            "restore-space",
            f"{what}, and {format_bytes(free)} are free",
            "It reuses what is intact of the present database, or clones from a repository on the same disk; where "
            "neither is possible, move the present database away first. `restore --dry-run` tells how much is needed.",
        )
    else:
        yield ok("restore-space", f"{what}; {format_bytes(free)} are free")


def _sizes(subject: Subject) -> tuple[int, int]:
    """Bytes of table and blob files; of the MANIFEST and the WALs that are needed."""
    files, live, wal_dir = subject.files, subject.live, subject.wal_dir
    logs = live.manifest_size
    if wal_dir.is_dir():
        directory = files.open_directory(wal_dir)
        try:
            names = [name for _, name in list_wals(files, wal_dir, oldest=live.oldest_wal)]
            logs += sum(size for number, _, _, size, _, _ in files.stat_many(directory, names) if not number)
        finally:
            files.close(directory)
    return sum(file.size for file in live.files), logs
