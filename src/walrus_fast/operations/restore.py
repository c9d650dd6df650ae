"""Restore: verify a backup on its way into a folder beside the database, prove it, then exchange the two."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from walrus_fast.errors import BackupDamaged, DatabaseError, DiskFull, RestoreRefused
from walrus_fast.methods import Method, TransferMode
from walrus_fast.operations.exchange import restore_folder
from walrus_fast.operations.progress import JobProgress, Phase, observed, silent
from walrus_fast.operations.verify import checksum_problem
from walrus_fast.repository.catalog import pick_backup
from walrus_fast.repository.layout import open_repository
from walrus_fast.repository.lock import lock_to_read
from walrus_fast.rocksdb.manifest import ManifestReader
from walrus_fast.rocksdb.ownership import hold_database, owned_by, owner_pid
from walrus_fast.transfer.pool import TransferPool
from walrus_fast.transfer.task import TransferItem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.operations.progress import Observer
    from walrus_fast.repository.catalog import Backup, BackupFile
    from walrus_fast.repository.layout import Layout

__all__ = ["RestoreReport", "RestoreRequest", "restore_backup"]

# Clones first: bytes that the node's database shares with no other name. Links where there are none.
_METHODS = {
    TransferMode.AUTO: (Method.REFLINK, Method.LINK, Method.COPY),
    TransferMode.HARDLINK: (Method.LINK,),
    TransferMode.REFLINK: (Method.REFLINK,),
    TransferMode.COPY: (Method.COPY,),
}


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """Which backup (the newest when None) goes where, and how. `wal_dir` is where the node looks for its WALs."""

    repository: Path
    database: Path
    backup_id: int | None = None
    wal_dir: Path | None = None
    mode: TransferMode = TransferMode.AUTO
    force: bool = False
    workers: int = 2
    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """`previous` is where the database from before is kept, None when there was none."""

    backup_id: int
    files: int
    bytes_total: int
    bytes_written: int
    previous: Path | None
    settled: str | None
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
    checked and all of it is durable. A kill at any point leaves the old or the new database, whole; the next
    restore says which.
    Raises: RepositoryError, BackupDamaged, DatabaseOwned, RestoreRefused, DiskFull, StorageError.
    """
    started = time.monotonic()
    layout = open_repository(files, request.repository)
    target = request.database.resolve()
    with ExitStack() as stack:
        stack.enter_context(lock_to_read(files, layout.lock, wait_seconds=request.wait_seconds))
        backup = pick_backup(files, layout, request.backup_id)
        _check_backup(backup)
        _check_target(files, target, backup, request)
        stack.enter_context(hold_database(files, target))
        folder = stack.enter_context(restore_folder(files, target))
        written = _bring_in(files, layout, backup, folder.incoming, request, observer, rate)
        _check_closure(files, folder.incoming, backup)
        _copy_ownership(target, folder.incoming)
        _make_durable(files, folder.incoming)
        observer(JobProgress(Phase.EXCHANGING))
        stamp = datetime.fromtimestamp(now(), UTC).strftime("%Y%m%dT%H%M%SZ")
        previous = _free_name(target, f"{target.name}.before-restore-{stamp}")
        kept = folder.exchange(previous)
        settled = folder.settled
    return RestoreReport(
        backup_id=backup.backup_id,
        files=len(backup.files),
        bytes_total=backup.size,
        bytes_written=written,
        previous=previous if kept else None,
        settled=settled,
        seconds=time.monotonic() - started,
    )


def _check_backup(backup: Backup) -> None:
    if backup.is_damaged:
        more = f" (and {len(backup.problems) - 1} more problems)" if len(backup.problems) > 1 else ""
        raise BackupDamaged(f"backup {backup.backup_id} cannot be restored: {backup.problems[0]}{more}")


def _check_target(files: Files, target: Path, backup: Backup, request: RestoreRequest) -> None:
    if (pid := owner_pid(files, target)) is not None:
        raise owned_by(pid, target)
    if target.is_mount():
        raise RestoreRefused(
            f"{target} is a mount point, which cannot be exchanged",
            hint="Restore into a folder below it, and point the node's storage_path there.",
        )
    if os.path.lexists(target) and not target.is_dir():
        raise RestoreRefused(f"{target} is not a folder", hint="Check --db-path.")
    manifest = backup.manifest
    if manifest is not None and manifest.wal_dir is not None and request.wal_dir is None:
        raise RestoreRefused(
            f"the database of this backup kept its WALs in {manifest.wal_dir}",
            hint=f"Say where the node will look for them: --wal-dir {manifest.wal_dir}, or --wal-dir {target}.",
        )
    if manifest is not None and manifest.database_id and not request.force:
        present = _database_id(files, target)
        if present and present != manifest.database_id:
            raise RestoreRefused(
                f"{target} holds another database (id {present}) than the backup (id {manifest.database_id})",
                hint="Check --db-path and --db-checkpoint-path; --force if you mean it.",
            )


def _database_id(files: Files, target: Path) -> str:
    """The id of the database that is there; "" when it has none or is too damaged to tell."""
    try:
        with ManifestReader(files, target) as reader:
            reader.refresh()
            return reader.live_set().database_id
    except DatabaseError:
        return ""  # no database or a damaged one: there is nothing that could be confused


def _bring_in(
    files: Files,
    layout: Layout,
    backup: Backup,
    incoming: Path,
    request: RestoreRequest,
    observer: Observer,
    rate: Callable[[], int],
) -> int:
    """Transfer and compare every file; returns the bytes that were written."""
    items = [_item(layout, file, incoming, request.mode) for file in backup.files]
    to_copy = sum(item.size for item in items if item.methods == (Method.COPY,))
    free = files.free_bytes(incoming)
    if to_copy > free:
        raise DiskFull(f"the restore needs {to_copy} bytes beside {request.database} and {free} are free")
    with TransferPool(files, workers=request.workers, rate=rate) as pool:
        answers = pool.run(items, sync=True, on_progress=observed(observer, Phase.TRANSFERRING))
    for file, answer in zip(backup.files, answers, strict=True):
        if problem := checksum_problem(file, answer):
            raise BackupDamaged(f"backup {backup.backup_id} cannot be restored: {problem}")
    return sum(answer.size for answer in answers if answer.method is Method.COPY)


def _item(layout: Layout, file: BackupFile, incoming: Path, mode: TransferMode) -> TransferItem:
    # RocksDB goes on writing WALs and may append to a MANIFEST: what is private is never shared with the backup.
    methods = (Method.COPY,) if file.path.startswith("private/") else _METHODS[mode]
    return TransferItem(str(layout.root / file.path), str(incoming / file.name), file.size or 0, methods)


def _check_closure(files: Files, incoming: Path, backup: Backup) -> None:
    """Every file that the restored MANIFEST names must be there, with the size it says."""
    try:
        with ManifestReader(files, incoming) as reader:
            reader.refresh()
            live = reader.live_set()
    except DatabaseError as exc:
        raise BackupDamaged(f"backup {backup.backup_id} is no database: {exc.message}") from exc
    sizes = {file.name: file.size for file in backup.files}
    for file in live.files:
        if sizes.get(file.name) != file.size:
            raise BackupDamaged(
                f"backup {backup.backup_id} is incomplete: its MANIFEST names {file.name} with {file.size} bytes, "
                f"the backup has {sizes.get(file.name, 'no such file')}"
            )


def _copy_ownership(target: Path, incoming: Path) -> None:
    """Give the new folder and the files that were copied into it the owner of what they replace.

    Linked files are the backup's own and keep theirs. Only root can and need do this.
    """
    if os.geteuid() != 0:
        return
    like = (target if target.exists() else target.parent).stat()
    os.chown(incoming, like.st_uid, like.st_gid)
    if target.exists():
        incoming.chmod(like.st_mode & 0o7777)
    with os.scandir(incoming) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_nlink == 1:
                os.chown(entry.path, like.st_uid, like.st_gid, follow_symlinks=False)


def _make_durable(files: Files, incoming: Path) -> None:
    names = [name for name, _ in files.list_directory(incoming)]
    files.sync_all(incoming, names)
    files.sync_directory(incoming)


def _free_name(target: Path, name: str) -> Path:
    candidate, count = target.parent / name, 1
    while os.path.lexists(candidate):
        count += 1
        candidate = target.parent / f"{name}-{count}"
    return candidate
