"""Survey: what a monitor wants to know of a repository, in one look at its records, names and inodes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from walrus_fast.errors import RepositoryNotFound
from walrus_fast.operations.keeping.space import space_of
from walrus_fast.protocol.jobs import BackupProof, BackupSummary
from walrus_fast.protocol.survey import RepositorySurvey, SpaceFigures
from walrus_fast.repository.catalog import load_catalog
from walrus_fast.repository.kept import kept_ids
from walrus_fast.repository.layout import open_repository
from walrus_fast.repository.verification import last_drilled, last_proven_restorable, last_verified, load_record
from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.repository.catalog import Backup
    from walrus_fast.repository.layout import Layout
    from walrus_fast.repository.verification import VerificationRecord

__all__ = ["proof_of", "summarize", "survey_repository"]

_MOST_PROBLEMS = 3  # of one backup; `verify` names all
_ANY_SHARE = 1 << 31


def survey_repository(
    files: Files, repository: Path, *, database: Path | None, now: Callable[[], float] = time.time
) -> RepositorySurvey:
    """Look at a repository; one that is not there has no backups. Takes no lock, reads no data.

    Raises: RepositoryUnusable, StorageError.
    """
    try:
        layout = open_repository(files, repository)
    except RepositoryNotFound:
        nothing = SpaceFigures(total=0, unique=0, pinned=0, unreferenced=0)
        return RepositorySurvey(
            date=now(), there=False, backups=(), space=nothing, verified={}, drilled=None, restorable=None
        )
    backups = load_catalog(files, layout)
    space = space_of(files, layout, backups, database=database)
    summaries = summarize(files, layout, backups)
    verified = {tier: last_verified(files, layout, tier, _ANY_SHARE) for tier in Tier}
    of_backups = (summary.proof.restorable for summary in summaries if summary.proof)
    proven = [date for date in (last_proven_restorable(files, layout), *of_backups) if date is not None]
    return RepositorySurvey(
        date=now(),
        backups=summaries,
        space=SpaceFigures(
            total=space.total, unique=space.only_here, pinned=space.pinned, unreferenced=space.unreferenced
        ),
        verified={tier: date for tier, date in verified.items() if date is not None},
        drilled=last_drilled(files, layout),
        restorable=max(proven, default=None),
    )


def summarize(files: Files, layout: Layout, backups: Iterable[Backup]) -> tuple[BackupSummary, ...]:
    """The lines of a list, with what was proven of each. Raises: StorageError."""
    pinned = kept_ids(files, layout)
    return tuple(
        BackupSummary(
            backup_id=backup.backup_id,
            size=backup.size,
            files=len(backup.files),
            created=backup.timestamp,
            problems=backup.problems[:_MOST_PROBLEMS],
            pinned=backup.backup_id in pinned,
            proof=proof_of(load_record(files, layout, backup.backup_id)),
        )
        for backup in backups
    )


def proof_of(record: VerificationRecord | None) -> BackupProof | None:
    """What a record says; None when nothing was ever proven."""
    if record is None or (record.last is None and record.last_drill is None):
        return None
    last, drill, tier, damage = record.last, record.last_drill, record.tier, record.damage
    return BackupProof(
        tier=tier,
        date=None if tier is None else record.reached[tier],
        checked=last.date if last else None,
        part=last.part if last else 0,
        parts=last.parts if last else 1,
        sampled=len(record.samples),
        damaged=damage.date if damage else None,
        problems=damage.problems[:_MOST_PROBLEMS] if damage else (),
        drilled=drill.date if drill else None,
        drill_problems=drill.problems[:_MOST_PROBLEMS] if drill else (),
        drill_seconds=drill.seconds if drill else 0.0,
        restorable=record.last_proven_restorable,
    )
