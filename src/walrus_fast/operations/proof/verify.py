"""Verify: prove, tier by tier, that backups are what was stored and can be restored."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.errors import StorageError
from walrus_fast.operations.progress import silent
from walrus_fast.operations.proof.damage import named_in
from walrus_fast.operations.proof.tier_checks import BackupVerdict, TierChecks
from walrus_fast.probe.runner import STALL_SECONDS
from walrus_fast.repository.catalog import load_catalog, pick_backup
from walrus_fast.repository.layout import open_repository
from walrus_fast.repository.lock import lock_to_read
from walrus_fast.repository.verification import (
    Proof,
    load_record,
    next_run,
    save_record,
    save_run,
    save_run_date,
    verification_run,
)
from walrus_fast.tiers import Sample, Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.operations.progress import Observer
    from walrus_fast.repository.layout import Layout

__all__ = ["BackupVerdict", "VerifyReport", "verify_backups"]

_DAY = 86400


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """`files_read` and `bytes_read` count each shared file once, however many backups it belongs to. `notes` are about
    the repository.

    `part` of `parts` is the sample that was read. `not_recorded` says why the result could not be stored with
    the backups, "" when it was.
    """

    backups: tuple[BackupVerdict, ...]
    files_read: int
    bytes_read: int
    asked: Tier
    part: int
    parts: int
    not_recorded: str
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def damaged(self) -> tuple[BackupVerdict, ...]:
        """The backups that are not what was stored."""
        return tuple(verdict for verdict in self.backups if verdict.problems)


def verify_backups(
    files: Files,
    repository: Path,
    *,
    ids: Sequence[int] = (),
    tier: Tier = Tier.CHECKSUMS,
    sample: Sample | None = None,
    scratch_dir: Path | None = None,
    workers: int = 2,
    observer: Observer = silent,
    rate: Callable[[], int] = lambda: 0,
    wait_seconds: float = 0.0,
    stall_seconds: float = STALL_SECONDS,
    now: Callable[[], float] = time.time,
) -> VerifyReport:
    """Check backups `ids`, or all, up to a tier. Nothing is deleted; only the result is written, beside them.

    A tier is checked for all of them before the next one begins, so what is cheap to find is found first; a
    file that several backups share is read once. A backup that fails a tier is not asked for the next. What
    `observer` raises cancels: workers and probes are killed, the scratch is removed, nothing is recorded.
    Raises: RepositoryNotFound, BackupNotFound, RepositoryBusy, StorageError, WorkerDied. Damage is in the report.
    """
    started = time.monotonic()
    layout = open_repository(files, repository)
    with lock_to_read(files, layout.lock, wait_seconds=wait_seconds):
        users = named_in(catalog := load_catalog(files, layout))
        known = {backup.backup_id: backup for backup in catalog}
        chosen = [known.get(id_) or pick_backup(files, layout, id_) for id_ in dict.fromkeys(ids)] if ids else catalog
        run = next_run(files, layout, fallback=int(now() // _DAY)) if sample else 0
        part = sample.for_run(run) if sample else Sample()
        work = TierChecks(files, layout, chosen, part, workers=workers, observer=observer, rate=rate)
        if tier.reaches(Tier.CHECKSUMS):
            work.check_checksums()
        if tier.reaches(Tier.CLOSURE):
            work.check_closure()
        if tier.reaches(Tier.OPENED):
            work.open(rows=tier is Tier.ROWS, scratch_dir=scratch_dir, stall_seconds=stall_seconds)
        verdicts = tuple(work.verdict(backup, tier, now(), users) for backup in chosen)
        not_recorded = _record(files, layout, verdicts, tier, part, run if sample else None)
        if verdicts and not ids and not not_recorded:
            not_recorded = _record_date(files, layout, verification_run(tier, part.parts), verdicts[-1].date)
    return VerifyReport(
        backups=verdicts,
        files_read=len(work.read),
        bytes_read=sum(work.read.values()),
        asked=tier,
        part=part.part,
        parts=part.parts,
        not_recorded=not_recorded,
        seconds=time.monotonic() - started,
        notes=() if ids else tuple(_lost(files, layout, known)),
    )


def _lost(files: Files, layout: Layout, known: Container[int]) -> Iterator[str]:
    """Without its meta a backup does not exist: deletions remove it first. One that was lost looks the same."""
    try:
        names = [name for name, _ in files.list_directory(layout.manifests)]
    except StorageError:
        return  # a repository without records of ours
    for name in names:
        if name.isascii() and name.isdigit() and int(name) not in known:
            yield f"meta/{name} is missing and manifests/{name} is there: it was lost, or a deletion was interrupted"


def _record(
    files: Files, layout: Layout, verdicts: Sequence[BackupVerdict], asked: Tier, sample: Sample, run: int | None
) -> str:
    """Store the results. Why that could not be done, "" when it was: the verification is worth the same."""
    try:
        for verdict in verdicts:
            proof = Proof(
                date=verdict.date,
                tier=verdict.tier,
                asked=asked,
                part=sample.part,
                parts=sample.parts,
                files_read=verdict.files_read,
                bytes_read=verdict.bytes_read,
                families=verdict.families,
                families_left_out=verdict.families_left_out or {},
                rows=verdict.rows,
                problems=verdict.problems[:20],
            )
            save_record(files, layout, load_record(files, layout, verdict.backup_id).with_proof(proof))
        if run is not None:
            save_run(files, layout, run)
    except StorageError as exc:
        return _reason(exc)
    return ""


def _record_date(files: Files, layout: Layout, run: str, date: float) -> str:
    try:
        save_run_date(files, layout, run, date)
    except StorageError as exc:
        return _reason(exc)
    return ""


def _reason(error: StorageError) -> str:
    return f"{error.message}. {error.hint}".removesuffix(" ").removesuffix(".")
