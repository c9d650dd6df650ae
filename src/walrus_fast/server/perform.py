"""From a task to an operation of the core, and from its report to an outcome."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from walrus_fast.errors import BackupDamaged, BackupNotFound, RepositoryNotFound, WalrusFastError
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.keeping.prune import pin_backup, prune_backups
from walrus_fast.operations.keeping.survey import summarize, survey_repository
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.operations.restore.drill import DrillRequest, drill_backup
from walrus_fast.protocol.jobs import (
    CreateResult,
    DeleteResult,
    DrillResult,
    PruneResult,
    VerifyResult,
    error_body,
)
from walrus_fast.repository.catalog import backup_ids, load_backup, load_catalog
from walrus_fast.repository.layout import Layout, open_repository, prepare_repository
from walrus_fast.repository.lock import lock_to_write
from walrus_fast.repository.scratch import sweep_scratch
from walrus_fast.repository.staging import sweep_leftovers
from walrus_fast.repository.verification import last_drilled, last_verified
from walrus_fast.server.job_spec import (
    CreateTask,
    Damaged,
    DeleteTask,
    DrillTask,
    LastRun,
    LastRunTask,
    Listed,
    ListTask,
    Newest,
    NewestTask,
    Nothing,
    PinTask,
    PruneTask,
    Said,
    Succeeded,
    Surveyed,
    SurveyTask,
    SweepScratchTask,
    SweepTask,
    Task,
    VerifyTask,
)
from walrus_fast.snapshot.model import SnapshotRequest
from walrus_fast.snapshot.pin_folder import job_pin_folder
from walrus_fast.tiers import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walrus_fast.files import Files
    from walrus_fast.operations.progress import Observer
    from walrus_fast.protocol.jobs import BackupSummary

__all__ = ["perform"]

_SWEEP_WAIT = 10.0  # seconds: another writer on the repository sweeps as well as we would
_Kind = TypeVar("_Kind")


def perform(files: Files, task: Task, *, observer: Observer, rate: Callable[[], int]) -> Said:
    """Do a task. Raises: what the operation raises, and what `observer` raises."""
    if isinstance(task, CreateTask):
        return Succeeded(_create(files, task, observer, rate))
    if isinstance(task, VerifyTask):
        return _verify(files, task, observer, rate)
    if isinstance(task, DrillTask):
        return _drill(files, task, observer, rate)
    if isinstance(task, DeleteTask):
        return Succeeded(_as_result(delete_backup(files, Path(task.repository), task.backup_id), DeleteResult))
    if isinstance(task, PruneTask):
        pruned = prune_backups(files, Path(task.repository), keep=task.keep, dry_run=task.dry_run, observer=observer)
        return Succeeded(_as_result(pruned, PruneResult))
    if isinstance(task, PinTask):
        pin_backup(files, Path(task.repository), task.backup_id, pinned=task.pinned)
        return Nothing()
    if isinstance(task, SweepTask):
        _sweep(files, task)
        return Nothing()
    if isinstance(task, SweepScratchTask):
        sweep_scratch(files, Layout(Path(task.repository)), Path(task.scratch_dir) if task.scratch_dir else None)
        return Nothing()
    if isinstance(task, LastRunTask):
        return _last_run(files, task)
    if isinstance(task, SurveyTask):
        return Surveyed(survey_repository(files, Path(task.repository), database=Path(task.database)))
    if isinstance(task, ListTask):
        return Listed(_list(files, open_repository(files, Path(task.repository))))
    return Newest(_newest(files, task))


def _as_result(report: object, kind: type[_Kind]) -> _Kind:
    return msgspec.convert(report, kind, from_attributes=True)


def _create(files: Files, task: CreateTask, observer: Observer, rate: Callable[[], int]) -> CreateResult:
    request = CreateRequest(
        source=SnapshotRequest(
            Path(task.database),
            Path(task.wal_dir) if task.wal_dir else None,
            tuple(Path(place) for place in task.data_dirs),
        ),
        repository=Path(task.repository),
        mode=task.mode,
        sync=task.sync,
        workers=task.workers,
        pin_dir=Path(task.pin_dir) if task.pin_dir else None,
    )
    result = _as_result(create_backup(files, request, observer=observer, rate=rate), CreateResult)
    if task.keep == 0:
        return result
    try:
        pruned = prune_backups(files, request.repository, keep=task.keep)
    except WalrusFastError as exc:
        # The backup is safe, so the job has succeeded; that old ones are still there is said with it.
        return msgspec.structs.replace(result, warning=f"old backups could not be removed: {exc.message}")
    return msgspec.structs.replace(result, pruned=pruned.removed)


def _verify(files: Files, task: VerifyTask, observer: Observer, rate: Callable[[], int]) -> Said:
    report = verify_backups(
        files,
        Path(task.repository),
        ids=task.ids,
        tier=task.tier,
        sample=Sample.parse(task.sample) if task.sample else None,
        scratch_dir=Path(task.scratch_dir) if task.scratch_dir else None,
        workers=task.workers,
        observer=observer,
        rate=rate,
    )
    result = _as_result(report, VerifyResult)
    if not report.damaged:
        return Succeeded(result)
    findings = [f"backup {bad.backup_id}: {problem}" for bad in report.damaged for problem in bad.problems]
    names = ", ".join(str(verdict.backup_id) for verdict in report.damaged)
    return _damaged(result, f"damaged in {task.repository}: backup {names}", findings)


def _drill(files: Files, task: DrillTask, observer: Observer, rate: Callable[[], int]) -> Said:
    request = DrillRequest(
        repository=Path(task.repository),
        backup_id=task.backup_id,
        scratch_dir=Path(task.scratch_dir) if task.scratch_dir else None,
        mode=task.mode,
        rows=task.rows,
        workers=task.workers,
    )
    report = drill_backup(files, request, observer=observer, rate=rate)
    result = _as_result(report, DrillResult)
    if report.succeeded:
        return Succeeded(result)
    findings = [f"backup {report.backup_id}: {problem}" for problem in report.problems]
    return _damaged(result, f"backup {report.backup_id} was not proven restorable: {report.problems[0]}", findings)


def _damaged(result: VerifyResult | DrillResult, message: str, findings: Sequence[str]) -> Damaged:
    return Damaged(result, error_body(BackupDamaged(message)), tuple(findings))


def _last_run(files: Files, task: LastRunTask) -> LastRun:
    try:
        layout = open_repository(files, Path(task.repository))
    except RepositoryNotFound:
        return LastRun(None, has_backups=False)
    if task.tier is None:
        date = last_drilled(files, layout)
    else:
        date = last_verified(files, layout, task.tier, Sample.parse(task.sample).parts if task.sample else 1)
    return LastRun(date, has_backups=bool(backup_ids(files, layout)))


def _sweep(files: Files, task: SweepTask) -> None:
    try:
        open_repository(files, Path(task.repository))
    except RepositoryNotFound:
        return  # the job died before it made one
    layout = prepare_repository(files, Path(task.repository))
    with lock_to_write(files, layout.lock, wait_seconds=_SWEEP_WAIT):
        sweep_leftovers(files, layout)
    if task.pin_dir and Path(task.pin_dir).is_dir():
        with job_pin_folder(files, Path(task.pin_dir), f"sweep-{os.getpid()}"):
            pass  # entering sweeps the folders of jobs that died


def _list(files: Files, layout: Layout) -> tuple[BackupSummary, ...]:
    return summarize(files, layout, load_catalog(files, layout))


def _newest(files: Files, task: NewestTask) -> float | None:
    try:
        layout = open_repository(files, Path(task.repository))
    except RepositoryNotFound:
        return None
    for backup_id in reversed(backup_ids(files, layout)):
        try:
            backup = load_backup(files, layout, backup_id)
        except BackupNotFound:
            continue  # deleted since the listing
        if not backup.is_damaged:
            return float(backup.timestamp)
    return None
