"""Prune: remove the backups that retention does not keep. Pin and unpin: say which ones it always keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.operations.progress import JobProgress, Phase, silent
from walrus_fast.repository.catalog import load_catalog
from walrus_fast.repository.kept import keep_backup, kept_ids, let_go_of_backup
from walrus_fast.repository.layout import open_repository, prepare_repository
from walrus_fast.repository.lock import lock_to_read, lock_to_write
from walrus_fast.repository.removal import remove_backup
from walrus_fast.repository.retention import Candidate, Verdict, choose_removals
from walrus_fast.repository.staging import staging_folder

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.operations.progress import Observer
    from walrus_fast.repository.layout import Layout

__all__ = ["PruneReport", "pin_backup", "prune_backups"]


@dataclass(frozen=True, slots=True)
class PruneReport:
    """Ids of the backups that were removed (or would be, in a dry run) and of those that are kept; `pinned` are
    those that only their pin keeps."""

    removed: tuple[int, ...]
    kept: tuple[int, ...]
    pinned: tuple[int, ...]
    dry_run: bool


def prune_backups(
    files: Files,
    repository: Path,
    *,
    keep: int,
    dry_run: bool = False,
    observer: Observer = silent,
    wait_seconds: float = 0.0,
) -> PruneReport:
    """Keep the newest `keep` good backups and the pinned ones, remove the others, oldest first.

    Never removes the last good backup; see `repository.retention`. `observer` is called before each removal and
    may stop it there. Raises: RepositoryNotFound, RepositoryBusy, StorageError; what was removed by then is gone.
    """
    layout = open_repository(files, repository)
    if dry_run:
        with lock_to_read(files, layout.lock, wait_seconds=wait_seconds):
            return _report(_choose(files, layout, keep), dry_run=True)
    prepare_repository(files, repository)
    with lock_to_write(files, layout.lock, wait_seconds=wait_seconds), staging_folder(files, layout):
        verdict = _choose(files, layout, keep)
        for backup_id in verdict.removed:
            observer(JobProgress(Phase.COMMITTING))
            remove_backup(files, layout, backup_id)
    return _report(verdict, dry_run=False)


def _choose(files: Files, layout: Layout, keep: int) -> Verdict:
    candidates = [Candidate(backup.backup_id, not backup.is_damaged) for backup in load_catalog(files, layout)]
    return choose_removals(candidates, keep=keep, pinned=kept_ids(files, layout))


def _report(verdict: Verdict, *, dry_run: bool) -> PruneReport:
    return PruneReport(verdict.removed, verdict.kept, verdict.pinned, dry_run)


def pin_backup(files: Files, repository: Path, backup_id: int, *, pinned: bool, wait_seconds: float = 0.0) -> None:
    """Let nothing delete a backup any more, or allow it again.

    Raises: RepositoryNotFound, BackupNotFound, RepositoryBusy, StorageError.
    """
    open_repository(files, repository)
    layout = prepare_repository(files, repository)
    with (
        lock_to_write(files, layout.lock, wait_seconds=wait_seconds),
        staging_folder(files, layout) as staging,
    ):
        if pinned:
            keep_backup(files, layout, backup_id, staging=staging)
        else:
            let_go_of_backup(files, layout, backup_id)
