"""Options of the database that decide how a snapshot is taken, and WALs that lie elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.doctor.finding import fail, ok, warn
from walrus_fast.rocksdb.wal import list_wals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walrus_fast.doctor.finding import Finding
    from walrus_fast.doctor.subject import Subject

__all__ = ["check_options", "check_wal_dir"]

_SMALL_MANIFEST = 1 << 20
# Option, value that hurts, what it means, what to do.
_HURTFUL = (
    (
        "allow_mmap_writes",
        "true",
        "RocksDB writes through memory maps, which lengthens files before they hold data",
        "Set it to false: the length of a WAL then says where its data ends.",
    ),
    (
        "manual_wal_flush",
        "true",
        "writes stay in the owner's memory until it flushes the WAL: a backup, like a crash, has only those flushed",
        "Have the node call FlushWAL as often as you can afford to lose writes.",
    ),
)


def check_options(subject: Subject) -> Iterator[Finding]:
    """Options of the newest OPTIONS file; a database without one is treated as if all were set."""
    if not subject.has_database or not subject.options.name:
        return
    values = subject.sections.get("DBOptions", {})
    found = False
    if subject.options.recycles_wals:
        found = True
        yield warn(
            "options",
            f"recycle_log_file_num is {values.get('recycle_log_file_num', 'unknown')}: RocksDB overwrites old WALs in "
            "place, so they are copied and scanned, never linked",
            "Set recycle_log_file_num = 0 if backups take too long to pin.",
        )
    for name, value, meaning, advice in _HURTFUL:
        if values.get(name) == value:
            found = True
            yield warn("options", f"{name} is {value}: {meaning}", advice)
    if int(values.get("max_manifest_file_size") or _SMALL_MANIFEST) < _SMALL_MANIFEST:
        found = True
        yield warn(
            "options",
            f"max_manifest_file_size is {values['max_manifest_file_size']}: the MANIFEST is rewritten often, and a "
            "snapshot begins again each time",
            "Leave it at RocksDB's default of 1 GiB.",
        )
    if not found:
        yield ok("options", "no option of the database makes snapshots slow or less than they seem")
    if values.get("unordered_write") == "true":
        yield ok("options", "unordered_write is true: a backup has the order of the WAL, as recovery has")


def check_wal_dir(subject: Subject) -> Iterator[Finding]:
    """WALs in another folder: it must be seen from here, and a restore must be told."""
    database = subject.database
    if not subject.has_database or database is None:
        return
    wal_dir = subject.wal_dir
    if wal_dir.resolve() == database.resolve():
        yield ok("wal-dir", "the WALs are in the database's folder")
    elif wal_dir.is_dir():
        yield warn(
            "wal-dir",
            f"the WALs are in {wal_dir}",
            f"Backups find them. A restore must be told: `restore --wal-dir {wal_dir}`.",
        )
    elif list_wals(subject.files, database, oldest=0):
        yield ok("wal-dir", f"the database was moved: its OPTIONS name {wal_dir}, its WALs are in its own folder")
    else:
        yield fail(
            "wal-dir",
            f"the database keeps its WALs in {wal_dir}, which is not there",
            "Say where this machine or container sees that folder: --wal-dir, or walrus_fast.wal_dir in the "
            "configuration.",
        )
