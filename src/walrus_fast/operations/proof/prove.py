"""The proof that only RocksDB can give: it opens a backup, and reads every row of it.

The database that it opens is put together in a scratch folder. Table and blob files are symbolic links: a reader
writes nothing, and a scratch that a killed process leaves pins no bytes and changes no link count. CURRENT,
MANIFEST and WALs are copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.operations.proof.damage import Damage
from walrus_fast.probe.messages import FamilyToOpen, ProbeRequest
from walrus_fast.probe.runner import STALL_SECONDS, run_probes
from walrus_fast.probe.stand_ins import KNOWN_COMPARATORS
from walrus_fast.repository.verification import Tier
from walrus_fast.rocksdb.options import table_formats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.operations.proof.closure import Closure
    from walrus_fast.probe.messages import FamilyRead
    from walrus_fast.probe.running import ProbeVerdict
    from walrus_fast.repository.catalog import Backup
    from walrus_fast.repository.layout import Layout
    from walrus_fast.rocksdb.manifest import LiveSet

__all__ = ["Candidate", "Opening", "judge_probe", "open_backups", "probe_request", "unreadable_families"]

# RocksDB's words for what this build cannot do; anything else that it says is about the bytes.
_UNSUPPORTED = ("Not implemented", "Not supported")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A backup that passed what comes before."""

    backup: Backup
    closure: Closure


@dataclass(frozen=True, slots=True)
class Opening:
    """What RocksDB made of a backup. `left_out`: families that could not be covered, and why; that is no damage.
    `opened`, `read`: the tiers that it passed with at least one family."""

    families: tuple[str, ...]
    left_out: dict[str, str]
    rows: int
    bytes: int
    damage: tuple[Damage, ...]
    opened: bool
    read: bool
    open_seconds: float
    read_seconds: float


def open_backups(
    files: Files,
    layout: Layout,
    scratch: Path,
    candidates: Sequence[Candidate],
    *,
    rows: bool,
    workers: int,
    rate: Callable[[], int],
    on_progress: Callable[[int], None],
    stall_seconds: float = STALL_SECONDS,
) -> list[Opening]:
    """Have each backup opened, and read with `rows`, in processes of their own; at most `workers` at a time.

    `on_progress` is told the bytes of rows so far; what it raises ends the probes first.
    Raises: StorageError when the scratch cannot be filled, WorkerDied.
    """
    left_out = [unreadable_families(files, layout.private_of(c.backup.backup_id), c.closure.live) for c in candidates]
    # Without `default` RocksDB opens nothing at all.
    chosen = [index for index in range(len(candidates)) if "default" not in left_out[index]]

    def prepare(index: int) -> ProbeRequest:
        number = chosen[index]
        folder = scratch / str(candidates[number].backup.backup_id)
        _assemble(files, layout, candidates[number].backup, folder / "db")
        return probe_request(files, folder, candidates[number].closure.live, left_out[number], rows=rows)

    def finished(index: int) -> None:
        files.remove_tree(scratch / str(candidates[chosen[index]].backup.backup_id))

    verdicts = run_probes(
        len(chosen),
        prepare=prepare,
        finished=finished,
        workers=workers,
        rate=rate,
        on_progress=on_progress,
        stall_seconds=stall_seconds,
    )
    found = dict(zip(chosen, verdicts, strict=True))
    return [
        judge_probe(candidate, left_out[index], found.get(index), rows=rows)
        for index, candidate in enumerate(candidates)
    ]


def _assemble(files: Files, layout: Layout, backup: Backup, folder: Path) -> None:
    files.make_directories(folder)
    for file in backup.files:
        source = (layout.root / file.path).absolute()
        if not file.path.startswith("private/"):
            files.symlink(source, folder / file.name)
            continue
        fd, copy = files.open_read(source), -1
        try:
            copy = files.create(folder / file.name)
            files.copy_prefix(fd, copy, files.size_of(fd))
        finally:
            for descriptor in (fd, copy):
                if descriptor >= 0:
                    files.close(descriptor)


def probe_request(
    files: Files, folder: Path, live: LiveSet | None, left_out: dict[str, str], *, rows: bool
) -> ProbeRequest:
    """What to ask a probe about the database in `folder`/db; the probe's own files go beside it."""
    files.make_directories(folder / "options")
    families = live.families if live else ()
    return ProbeRequest(
        database=str((folder / "db").absolute()),
        families=tuple(FamilyToOpen(f.name, f.comparator) for f in families if f.name not in left_out),
        data_folders=1 + max((file.path_id for file in live.files), default=0) if live else 1,
        rows=rows,
        options_folder=str(folder / "options"),
    )


def unreadable_families(files: Files, folder: Path, live: LiveSet | None) -> dict[str, str]:
    """Families of the database in `folder` that this build of RocksDB cannot be asked to open, and why."""
    formats = table_formats(files, folder)
    found = {}
    for family in live.families if live else ():
        table_format = formats.get(family.name, "BlockBasedTable")
        if family.comparator not in KNOWN_COMPARATORS:
            found[family.name] = f"its comparator {family.comparator} is not known here"
        elif table_format != "BlockBasedTable":
            found[family.name] = f"its table format {table_format} is not known here"
    if live and "default" in found:
        for family in live.families:
            found.setdefault(family.name, "RocksDB opens no family without the family default")
    return found


def judge_probe(candidate: Candidate, left_out: dict[str, str], verdict: ProbeVerdict | None, *, rows: bool) -> Opening:
    """Turn a probe's verdict (None: nothing could be opened) into findings."""
    if verdict is None:
        return Opening((), left_out, 0, 0, (), opened=False, read=False, open_seconds=0.0, read_seconds=0.0)
    backup_id = candidate.backup.backup_id
    left_out, damage = dict(left_out), list[Damage]()
    live = candidate.closure.live
    if verdict.failure.startswith(_UNSUPPORTED):
        left_out = {family.name: verdict.failure for family in (live.families if live else ())}
    elif verdict.failure:
        tier = Tier.ROWS if verdict.failure.rpartition(" while ")[2].startswith("reading") else Tier.OPENED
        damage.append(Damage(backup_id, tier, "", f"RocksDB cannot use backup {backup_id}: {verdict.failure}"))
    for family in verdict.families:
        if family.error.startswith(_UNSUPPORTED):
            left_out[family.name] = family.error
        elif family.error:
            damage.append(_family_damage(backup_id, family))
    expected = candidate.closure.last_sequence
    if verdict.sequence is not None and verdict.sequence < expected:
        problem = f"RocksDB recovers backup {backup_id} to sequence number {verdict.sequence} only, not {expected}"
        found = f"sequence number {verdict.sequence}"
        damage.append(Damage(backup_id, Tier.OPENED, "", problem, f"sequence number {expected}", found))
    covered = [family for family in verdict.families if family.name not in left_out and not family.error]
    opened = bool(covered) and not any(item.tier is Tier.OPENED for item in damage)
    return Opening(
        families=tuple(family.name for family in covered),
        left_out=left_out,
        rows=sum(family.rows for family in covered),
        bytes=sum(family.bytes for family in covered),
        damage=tuple(damage),
        opened=opened,
        read=opened and rows and not damage,
        open_seconds=verdict.open_seconds,
        read_seconds=verdict.read_seconds,
    )


def _family_damage(backup_id: int, family: FamilyRead) -> Damage:
    problem = f"column family {family.name} of backup {backup_id} cannot be read after {family.rows} rows"
    return Damage(backup_id, Tier.ROWS, "", f"{problem}: {family.error}", "readable rows", family.error)
