"""Restore: verify a backup on its way into a folder beside the database, prove it, then exchange the two."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from walrus_fast.exchange.folder import restore_folder
from walrus_fast.exchange.journal import WalExchange
from walrus_fast.methods import TransferMode
from walrus_fast.operations.progress import JobProgress, Phase, silent
from walrus_fast.operations.proof.prove import Candidate
from walrus_fast.operations.restore.checks import (
    check_backup,
    check_target,
    data_folders_note,
    require_closure,
    require_opening,
)
from walrus_fast.operations.restore.transfer import RestoreTransfer
from walrus_fast.repository.catalog import pick_backup
from walrus_fast.repository.layout import open_repository
from walrus_fast.repository.lock import lock_to_read
from walrus_fast.rocksdb.ownership import hold_database, is_held
from walrus_fast.transfer.pool import TransferPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from walrus_fast.exchange.folder import RestoreFolder
    from walrus_fast.files import Files
    from walrus_fast.operations.progress import Observer

__all__ = ["RestoreReport", "RestoreRequest", "restore_backup", "time_stamp"]


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """Which backup (the newest when None) goes where, and how.

    `wal_dir` is where the node looks for its WALs; `open_first` has RocksDB open the backup before it counts.
    """

    repository: Path
    database: Path
    backup_id: int | None = None
    wal_dir: Path | None = None
    mode: TransferMode = TransferMode.AUTO
    force: bool = False
    open_first: bool = True
    workers: int = 2
    wait_seconds: float = 0.0

    def separate_wal_dir(self) -> Path | None:
        """Where WALs go when that is not the database's folder."""
        if self.wal_dir is None or self.wal_dir.resolve() == self.database.resolve():
            return None
        return self.wal_dir.resolve()


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """`previous` is where the database from before is kept, None when there was none.

    `bytes_reused` were taken from the present database or from an interrupted restore, after a check;
    `bytes_written` were copied. `notes` are for the operator, in words.
    """

    backup_id: int
    files: int
    bytes_total: int
    bytes_written: int
    bytes_reused: int
    previous: Path | None
    notes: tuple[str, ...]
    seconds: float


def restore_backup(
    files: Files,
    request: RestoreRequest,
    *,
    observer: Observer = silent,
    rate: Callable[[], int] = lambda: 0,
    now: Callable[[], float] = time.time,
) -> RestoreReport:
    """Bring a backup back as a database. The database that is there is kept beside it, never destroyed.

    Nothing is touched before every byte has been compared with its checksums, the MANIFEST's closure has been
    checked, RocksDB has opened the backup, and all of it is durable. A kill at any point leaves the old or the new
    database, whole; the next restore finishes or takes back, and says which. An exception from `observer` cancels and
    leaves nothing behind.
    Raises: RepositoryError, BackupDamaged, DatabaseOwned, RestoreRefused, DiskFull, StorageError.
    """
    started = time.monotonic()
    layout = open_repository(files, request.repository)
    target = request.database.resolve()
    with ExitStack() as stack:
        stack.enter_context(lock_to_read(files, layout.lock, wait_seconds=request.wait_seconds))
        backup = pick_backup(files, layout, request.backup_id)
        check_backup(backup)
        wal_dir = request.separate_wal_dir()
        check_target(files, target, backup, wal_dir_given=request.wal_dir is not None, force=request.force)
        held = stack.enter_context(hold_database(files, target))
        folder = stack.enter_context(restore_folder(files, target, wal_dir=wal_dir))
        transfer = RestoreTransfer(files, layout, backup, folder, mode=request.mode)
        with TransferPool(files, workers=request.workers, rate=rate) as pool:
            transfer.run(pool, observer)
        closure, unproven = require_closure(files, layout, backup), None
        if request.open_first:
            candidate = Candidate(backup, closure)
            unproven = require_opening(files, layout, candidate, folder.root / "proof", observer, rate)
        transfer.finish()
        observer(JobProgress(Phase.EXCHANGING))
        if not is_held(files, target, held):
            stack.enter_context(hold_database(files, target))  # what lies there now was not there when we began
        stamp = time_stamp(now())
        previous = folder.name_previous(stamp) if folder.replaces_something() else None
        folder.exchange(folder.incoming, previous or folder.name_previous(stamp), wal=_wals(folder, wal_dir, stamp))
    notes = [str(note) for note in (folder.settled, unproven, data_folders_note(closure.live, target)) if note]
    return RestoreReport(
        backup_id=backup.backup_id,
        files=len(backup.files),
        bytes_total=backup.size,
        bytes_written=transfer.bytes_written,
        bytes_reused=transfer.bytes_reused,
        previous=previous,
        notes=tuple(notes),
        seconds=time.monotonic() - started,
    )


def time_stamp(now: float) -> str:
    """`20250702T002548Z`, for names of what is kept."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")


def _wals(folder: RestoreFolder, wal_dir: Path | None, stamp: str) -> WalExchange | None:
    if wal_dir is None:
        return None
    return WalExchange(
        directory=str(wal_dir),
        incoming=str(folder.incoming_wals),
        previous=str(wal_dir / f"before-restore-{stamp}"),
    )
