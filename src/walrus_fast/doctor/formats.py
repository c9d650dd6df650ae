"""Who can read the database's files: RocksDB's own tools, the node, and what we open backups with."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from walrus_fast.doctor.finding import ok, warn
from walrus_fast.probe.stand_ins import KNOWN_COMPARATORS, READER_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walrus_fast.doctor.finding import Finding
    from walrus_fast.doctor.subject import Subject

__all__ = ["check_comparators", "check_formats", "check_version"]

_TABLE_SECTION = re.compile(r'TableOptions/(\w+) "(.*)"')
# From which RocksDB on a format_version of tables can be read (include/rocksdb/table.h).
_READERS = {3: "5.15", 4: "5.16", 5: "6.6", 6: "8.6", 7: "10.4"}
_COMMON = 5  # Debian's ldb is of RocksDB 7.8, the Walrus node's RocksDB 8.10
_LDB_PATIENCE = 10.0  # seconds


def check_version(subject: Subject) -> Iterator[Finding]:
    """An older RocksDB may not understand a newer one's MANIFEST and OPTIONS."""
    if not subject.has_database:
        return
    version = subject.options.rocksdb_version
    if not version:
        yield warn(
            "rocksdb-version",
            "the database has no OPTIONS file that says which RocksDB wrote it",
            "It is backed up all the same; its WALs are copied instead of linked.",
        )
    elif _parts(version)[:2] > _parts(READER_VERSION)[:2]:
        yield warn(
            "rocksdb-version",
            f"RocksDB {version} wrote the database, and backups are opened here with {READER_VERSION}",
            "Should `--tier opened`, drills or restores fail for that alone, use `--tier closure` and `--no-open`, and "
            "let a node of the right version open it.",
        )
    else:
        yield ok("rocksdb-version", f"RocksDB {version} wrote the database; {READER_VERSION} opens backups here")


def check_formats(subject: Subject) -> Iterator[Finding]:
    """Which table files its families write."""
    if not subject.has_database:
        return
    newest, unusual = 0, []
    for header, values in subject.sections.items():
        if (match := _TABLE_SECTION.fullmatch(header)) is None:
            continue
        if match[1] != "BlockBasedTable":
            unusual.append(f"{match[2]} ({match[1]})")
        newest = max(newest, int(values.get("format_version", "0") or 0))
    if unusual:
        yield warn(
            "table-format",
            f"column families with tables of another kind than block-based: {', '.join(unusual[:3])}",
            "They are backed up and checked byte by byte; only a program with the same options can open them.",
        )
    since, ldb = _READERS.get(newest, "a version newer than this program knows"), _ldb_version()
    too_old = bool(ldb) and newest in _READERS and _parts(ldb) < _parts(since)
    if newest > _COMMON or too_old:
        here = f"; the ldb on this machine is {ldb}" if ldb else ""
        yield warn(
            "table-format",
            f"tables are written with format_version {newest}, which RocksDB reads since {since}{here}",
            "An older RocksDB restores the backup and cannot read it: Debian 12's ldb is 7.8, the Walrus node's 8.10.",
        )
    elif not unusual:
        here = f", the ldb on this machine ({ldb}) as well" if ldb else ""
        yield ok("table-format", f"tables are written with format_version {newest or 'of old'}, common since 6.6{here}")


def _ldb_version() -> str:
    """Of RocksDB's tool on this machine, "" where there is none that says so."""
    program = shutil.which("ldb")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_LDB_PATIENCE, check=False, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return ""  # it does not run: then nobody will read a backup with it here
    match = re.search(r"RocksDB (\d+\.\d+[\d.]*)", done.stdout)
    return match[1] if match else ""


def check_comparators(subject: Subject) -> Iterator[Finding]:
    """Families that order their keys in a way of their own cannot be opened here."""
    if not subject.has_database:
        return
    foreign = [family.name for family in subject.live.families if family.comparator not in KNOWN_COMPARATORS]
    count = len(subject.live.families)
    if foreign:
        yield warn(
            "comparators",
            f"{len(foreign)} of {count} column families have comparators of their own: {', '.join(foreign[:3])}",
            "`--tier opened`, `--tier rows` and drills leave them out and say so; `--tier closure` covers them.",
        )
    else:
        yield ok("comparators", f"all {count} column families can be opened and read here")


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
