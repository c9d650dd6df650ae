"""Does a backup hold all that its MANIFEST names, and are its WALs complete and in order?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from walrus_fast.errors import DatabaseError
from walrus_fast.operations.proof.damage import Damage
from walrus_fast.repository.verification import Tier
from walrus_fast.rocksdb.manifest import ManifestReader
from walrus_fast.rocksdb.names import FileKind, classify
from walrus_fast.rocksdb.wal import first_sequence, scan_wal

if TYPE_CHECKING:
    from walrus_fast.files import Files
    from walrus_fast.repository.catalog import Backup, BackupFile
    from walrus_fast.repository.layout import Layout
    from walrus_fast.rocksdb.manifest import LiveSet
    from walrus_fast.rocksdb.wal import WalExtent

__all__ = ["Closure", "check_closure"]

_SHOWN = 3  # names in a note


@dataclass(frozen=True, slots=True)
class Closure:
    """`live` is None when the MANIFEST cannot be read. `last_sequence` is what recovery must come to, as far as the
    bytes tell. `notes` are oddities that harm nothing."""

    damage: tuple[Damage, ...]
    notes: tuple[str, ...]
    live: LiveSet | None
    last_sequence: int


@dataclass(frozen=True, slots=True)
class _Wal:
    file: BackupFile
    number: int
    size: int
    extent: WalExtent
    first_sequence: int | None


class _Findings:
    def __init__(self, backup_id: int) -> None:
        self.backup_id = backup_id
        self.damage: list[Damage] = []
        self.notes: list[str] = []

    def add(self, file: str, problem: str, expected: str = "", found: str = "") -> None:
        self.damage.append(Damage(self.backup_id, Tier.CLOSURE, file, problem, expected, found))


def check_closure(files: Files, layout: Layout, backup: Backup) -> Closure:
    """Replay the backup's MANIFEST, compare it with the files that are there, and read its WALs.

    Raises: StorageError when a file cannot be read. What is wrong is in the result.
    """
    findings = _Findings(backup.backup_id)
    private = f"private/{backup.backup_id}"
    try:
        with ManifestReader(files, layout.private_of(backup.backup_id)) as reader:
            reader.refresh()
            live = reader.live_set()
    except DatabaseError as exc:
        findings.add(private, f"{private} holds no readable MANIFEST: {exc.message}")
        return Closure(tuple(findings.damage), (), None, 0)
    by_name = {file.name: file for file in backup.files}
    _check_live_files(live, by_name, private, findings)
    manifest = by_name.get(live.manifest_name)
    if manifest is None:
        findings.add(f"{private}/CURRENT", f"CURRENT names {live.manifest_name}, which the backup does not have")
    elif manifest.size != live.manifest_size:
        findings.notes.append(f"{manifest.path} has {manifest.size} bytes, complete are {live.manifest_size}")
    last = max(live.last_sequence, _check_wals(files, layout, backup, live, findings))
    _check_captured(backup, last, findings)
    return Closure(tuple(findings.damage), tuple(findings.notes), live, last)


def _check_live_files(live: LiveSet, by_name: dict[str, BackupFile], private: str, findings: _Findings) -> None:
    manifest = f"{private}/{live.manifest_name}"
    for file in live.files:
        there = by_name.get(file.name)
        expected = f"{file.size} bytes"
        if there is None:
            problem = f"{manifest} names {file.name} with {file.size} bytes, which the backup does not have"
            findings.add(manifest, problem, expected, "nothing")
        elif there.size != file.size:
            problem = f"{there.path} has {there.size} bytes where the MANIFEST says {file.size}"
            findings.add(there.path, problem, expected, f"{there.size} bytes")
    known = {file.name for file in live.files}
    extra = [
        name
        for name in by_name
        if name not in known
        and (kind := classify(name))[0] in (FileKind.TABLE, FileKind.BLOB)
        and kind[1] not in live.optional
    ]
    if extra:
        more = f" and {len(extra) - _SHOWN} more" if len(extra) > _SHOWN else ""
        findings.notes.append(f"not needed by the MANIFEST: {', '.join(sorted(extra)[:_SHOWN])}{more}")


def _check_wals(files: Files, layout: Layout, backup: Backup, live: LiveSet, findings: _Findings) -> int:
    """The last sequence number in the WALs, 0 when they have none or do not tell."""
    wals = _read_wals(files, layout, backup, live.oldest_wal)
    for index, wal in enumerate(wals):
        following = wals[index + 1] if index + 1 < len(wals) else None
        _check_end(wal, following, findings)
    ordered = [wal for wal in wals if wal.first_sequence is not None and wal.extent.last_sequence is not None]
    for before, after in pairwise(ordered):
        expected = (before.extent.last_sequence or 0) + 1
        if after.first_sequence is not None and after.first_sequence < expected:
            found = f"sequence number {after.first_sequence}"
            problem = f"{after.file.path} begins with {found}, {before.file.path} before it ends with {expected - 1}"
            findings.add(after.file.path, problem, f"sequence number {expected}", found)
        elif after.first_sequence != expected:
            # Writes without a log and ingested files take numbers too, so a gap proves nothing.
            findings.notes.append(f"{after.file.path} begins at {after.first_sequence}, not at {expected}")
    return max((wal.extent.last_sequence or 0 for wal in wals), default=0)


def _read_wals(files: Files, layout: Layout, backup: Backup, oldest: int) -> list[_Wal]:
    found = []
    for file in backup.files:
        kind, number = classify(file.name)
        if kind is not FileKind.WAL or number < oldest:
            continue
        fd = files.open_read(layout.root / file.path)
        try:
            extent = scan_wal(fd, number)
            found.append(_Wal(file, number, files.size_of(fd), extent, first_sequence(fd)))
        finally:
            files.close(fd)
    return sorted(found, key=lambda wal: wal.number)


def _check_end(wal: _Wal, following: _Wal | None, findings: _Findings) -> None:
    if wal.extent.is_recyclable or wal.extent.complete_bytes == wal.size:
        return
    complete, path = wal.extent.complete_bytes, wal.file.path
    problem = f"{path} is complete up to byte {complete} of {wal.size}"
    last = wal.extent.last_sequence
    goes_on = following is not None and last is not None and following.first_sequence == last + 1
    if wal.extent.is_clean or following is None or goes_on:
        # Preallocated zeros; the record that a crash tore; or one torn so before the database was opened again.
        findings.notes.append(problem)
    else:
        findings.add(path, problem, f"{wal.size} bytes of records", f"{complete} bytes of records")


def _check_captured(backup: Backup, last: int, findings: _Findings) -> None:
    """Our own backups know the last sequence number that they hold."""
    manifest = backup.manifest
    if manifest is not None and manifest.sequence_is_exact and last < manifest.captured_sequence:
        private = f"private/{backup.backup_id}"
        expected, found = f"sequence number {manifest.captured_sequence}", f"sequence number {last}"
        findings.add(private, f"the logs of {private} end with {found}, captured was {expected}", expected, found)
