"""Restore drill: rebuild a backup as a restore would, open it, read it, take it away again, remember the date."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.errors import DiskFull, StorageError
from walrus_fast.methods import Method, TransferMode
from walrus_fast.operations.progress import JobProgress, Phase, observed, silent
from walrus_fast.operations.proof.closure import check_closure
from walrus_fast.operations.proof.damage import catalog_damage, checksum_damage, named_in, with_sharers
from walrus_fast.operations.proof.prove import Candidate, judge_probe, probe_request, unreadable_families
from walrus_fast.operations.restore.transfer import RESTORE_METHODS
from walrus_fast.probe.runner import STALL_SECONDS, run_probes
from walrus_fast.repository.catalog import load_catalog, pick_backup
from walrus_fast.repository.layout import open_repository
from walrus_fast.repository.lock import lock_to_read
from walrus_fast.repository.scratch import scratch_folder
from walrus_fast.repository.verification import (
    DRILL,
    PROVEN_RESTORABLE,
    Drill,
    Proof,
    Tier,
    load_record,
    save_record,
    save_run_date,
)
from walrus_fast.transfer.pool import TransferPool
from walrus_fast.transfer.task import TransferItem, TransferredFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.operations.progress import Observer
    from walrus_fast.operations.proof.damage import Damage
    from walrus_fast.operations.proof.prove import Opening
    from walrus_fast.repository.catalog import Backup
    from walrus_fast.repository.layout import Layout

__all__ = ["DrillReport", "DrillRequest", "drill_backup"]


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """Which backup (the newest when None), how its files come, and where to: the repository's own scratch folder,
    or one below `scratch_dir`. `rows` False only opens it."""

    repository: Path
    backup_id: int | None = None
    scratch_dir: Path | None = None
    mode: TransferMode = TransferMode.AUTO
    rows: bool = True
    workers: int = 2
    wait_seconds: float = 0.0
    stall_seconds: float = STALL_SECONDS


@dataclass(frozen=True, slots=True)
class DrillReport:
    """How it went; no problems is a success. Times in seconds, sizes in bytes.

    `restore_seconds` is what a restore by the same means takes: transfer with checksums, syncs, MANIFEST, opening.
    `copy_seconds` is the estimate for one that copies every byte: each is read, at the measured rate, and written,
    at the measured rate or, when nothing was copied, at the rate of reading. `families_left_out` were not proven.
    `rows_read` tells a drill that was to read no rows from one that found none.
    """

    backup_id: int
    date: float
    problems: tuple[str, ...]
    damage: tuple[Damage, ...]
    families: tuple[str, ...]
    families_left_out: dict[str, str]
    rows: int
    files: int
    bytes_total: int
    bytes_linked: int
    bytes_cloned: int
    bytes_copied: int
    transfer_seconds: float
    open_seconds: float
    read_seconds: float
    restore_seconds: float
    copy_seconds: float
    not_recorded: str
    rows_read: bool = True

    @property
    def succeeded(self) -> bool:
        """Whether the backup was proven restorable."""
        return not self.problems


def drill_backup(
    files: Files,
    request: DrillRequest,
    *,
    observer: Observer = silent,
    rate: Callable[[], int] = lambda: 0,
    now: Callable[[], float] = time.time,
) -> DrillReport:
    """Rehearse the restore of a backup. Afterwards there is as much free space as before, and a dated record.

    A backup that fails, or of which nothing could be opened here, counts as not proven; that is in the report, not
    raised. What `observer` raises cancels: processes are killed, the scratch is removed, nothing is recorded.
    Raises: RepositoryNotFound, BackupNotFound, RepositoryBusy, DiskFull, StorageError, WorkerDied.
    """
    layout = open_repository(files, request.repository)
    with lock_to_read(files, layout.lock, wait_seconds=request.wait_seconds):
        backup = pick_backup(files, layout, request.backup_id)
        rehearsal = _Rehearsal(files, layout, backup, request, observer, rate)
        rehearsal.run()
        users = named_in(load_catalog(files, layout)) if rehearsal.damage else {}
        damage = with_sharers(rehearsal.damage, users)
        report = rehearsal.report(now(), tuple(damage))
        not_recorded = ""
        try:
            _record(files, layout, report, rows=request.rows)
        except StorageError as exc:
            not_recorded = exc.message  # read-only, or made by RocksDB: the drill is worth the same
    return report if not not_recorded else _with_reason(report, not_recorded)


def _record(files: Files, layout: Layout, report: DrillReport, *, rows: bool) -> None:
    """A drill that succeeds has read every byte and opened the result: it counts as that tier, too."""
    tier = Tier.ROWS if rows else Tier.OPENED
    failed = min((item.tier.rank for item in report.damage), default=0 if report.problems else len(Tier))
    passed = [other for other in Tier if tier.reaches(other) and other.rank < failed]
    record = load_record(files, layout, report.backup_id)
    if report.succeeded or report.damage:
        proof = Proof(
            date=report.date,
            tier=passed[-1] if passed else None,
            asked=tier,
            files_read=report.files,
            bytes_read=report.bytes_total,
            families=report.families,
            families_left_out=report.families_left_out,
            rows=report.rows,
            problems=report.problems[:20],
        )
        record = record.with_proof(proof)
    drill = Drill(date=report.date, seconds=report.restore_seconds, problems=report.problems[:20])
    save_record(files, layout, record.with_drill(drill))
    save_run_date(files, layout, DRILL, report.date)
    if report.succeeded:
        save_run_date(files, layout, PROVEN_RESTORABLE, report.date)


def _with_reason(report: DrillReport, reason: str) -> DrillReport:
    fields = {name: getattr(report, name) for name in DrillReport.__dataclass_fields__}
    return DrillReport(**{**fields, "not_recorded": reason})


class _Rehearsal:
    def __init__(
        self,
        files: Files,
        layout: Layout,
        backup: Backup,
        request: DrillRequest,
        observer: Observer,
        rate: Callable[[], int],
    ) -> None:
        self._files = files
        self._layout = layout
        self._backup = backup
        self._request = request
        self._observer = observer
        self._rate = rate
        self._moved: list[TransferredFile] = []
        self._transfer_seconds = self._sync_seconds = self._closure_seconds = 0.0
        self._opening: Opening | None = None
        self.damage: list[Damage] = catalog_damage(backup)

    def run(self) -> None:
        """Every step of a restore but the exchange; the first one that fails is the last."""
        if self.damage:
            return
        with scratch_folder(self._files, self._layout, self._request.scratch_dir) as scratch:
            database = scratch / "db"
            self._files.make_directory(database, 0o700)
            self._transfer(database)
            if not self.damage:
                self._open(scratch)

    def _transfer(self, database: Path) -> None:
        backup, files = self._backup, self._files
        # RocksDB goes on writing WALs and MANIFEST after a restore: they are always copied.
        methods = RESTORE_METHODS[self._request.mode]
        items = [
            TransferItem(
                str(self._layout.root / file.path),
                str(database / file.name),
                file.size or 0,
                (Method.COPY,) if file.path.startswith("private/") else methods,
            )
            for file in backup.files
        ]
        self._check_room(database, items)
        started = time.monotonic()
        with TransferPool(files, workers=self._request.workers, rate=self._rate) as pool:
            try:
                self._moved = pool.run(items, sync=True, on_progress=observed(self._observer, Phase.TRANSFERRING))
            except StorageError:
                self._find_unreadable(pool)
                if not self.damage:
                    raise  # the scratch's fault, which says nothing about the backup
                return
        for file, answer in zip(backup.files, self._moved, strict=True):
            if damage := checksum_damage(backup.backup_id, file, answer):
                self.damage.append(damage)
        self._transfer_seconds = time.monotonic() - started
        started = time.monotonic()
        files.sync_all([f"{database}/{file.name}" for file in backup.files])
        files.sync_directory(database)
        self._sync_seconds = time.monotonic() - started

    def _find_unreadable(self, pool: TransferPool) -> None:
        backup = self._backup
        items = [TransferItem(str(self._layout.root / file.path), None, file.size or 0) for file in backup.files]
        answers = pool.survey(items, on_progress=observed(self._observer, Phase.VERIFYING))
        for file, answer in zip(backup.files, answers, strict=True):
            if damage := checksum_damage(backup.backup_id, file, answer):
                self.damage.append(damage)

    def _check_room(self, database: Path, items: Sequence[TransferItem]) -> None:
        needed = sum(item.size for item in items if item.methods == (Method.COPY,))
        if (free := self._files.free_bytes(database)) < needed:
            raise DiskFull(
                f"the drill needs {needed} bytes below {database.parent} and {free} are free",
                hint="Give --scratch-dir on another disk, or a transfer mode that copies less.",
            )

    def _open(self, scratch: Path) -> None:
        files, backup = self._files, self._backup
        self._observer(JobProgress(Phase.PROVING))
        started = time.monotonic()
        closure = check_closure(files, self._layout, backup)
        self._closure_seconds = time.monotonic() - started
        self.damage += closure.damage
        if closure.damage:
            return
        rows, total = self._request.rows, backup.size
        left_out = unreadable_families(files, self._layout.private_of(backup.backup_id), closure.live)
        verdicts = run_probes(
            0 if "default" in left_out else 1,
            prepare=lambda _: probe_request(files, scratch, closure.live, left_out, rows=rows),
            finished=lambda _: None,
            workers=1,
            rate=self._rate,
            on_progress=lambda done: self._observer(JobProgress(Phase.PROVING, min(done, total), total, 0, 1)),
            stall_seconds=self._request.stall_seconds,
        )
        verdict = verdicts[0] if verdicts else None
        self._opening = judge_probe(Candidate(backup, closure), left_out, verdict, rows=rows)
        self.damage += self._opening.damage

    def report(self, date: float, damage: tuple[Damage, ...]) -> DrillReport:
        """What was found and measured."""
        opening = self._opening
        problems = tuple(item.text for item in damage)
        if not problems and (opening is None or not opening.opened):
            reasons = "; ".join(sorted(set(opening.left_out.values()))) if opening else ""
            problems = (f"backup {self._backup.backup_id} could not be opened here, so nothing is proven: {reasons}",)
        by_method = dict.fromkeys(Method, 0)
        for answer in self._moved:
            by_method[answer.method] += answer.size
        total = sum(by_method.values())
        opened = opening.open_seconds if opening else 0.0
        fixed = self._sync_seconds + self._closure_seconds + opened
        copied = by_method[Method.COPY]
        # One pass for every byte that was read, one more for those that were written: seconds a byte and pass.
        a_pass = self._transfer_seconds / (total + copied) if total else 0.0
        return DrillReport(
            backup_id=self._backup.backup_id,
            date=date,
            problems=problems,
            damage=damage,
            families=opening.families if opening else (),
            families_left_out=opening.left_out if opening else {},
            rows=opening.rows if opening else 0,
            files=len(self._backup.files),
            bytes_total=total,
            bytes_linked=by_method[Method.LINK],
            bytes_cloned=by_method[Method.REFLINK],
            bytes_copied=copied,
            transfer_seconds=self._transfer_seconds,
            open_seconds=opened,
            read_seconds=opening.read_seconds if opening else 0.0,
            restore_seconds=self._transfer_seconds + fixed,
            copy_seconds=2 * total * a_pass + fixed,
            not_recorded="",
            rows_read=self._request.rows,
        )
