"""Create: pin a snapshot, bring what is new into the repository, commit."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.errors import DiskFull, RepositoryUnusable
from walrus_fast.methods import Method, TransferMode
from walrus_fast.operations.backup.ingest import PINS, Ingest
from walrus_fast.operations.progress import JobProgress, Phase, observed, silent
from walrus_fast.repository.commit import commit_backup, next_backup_id
from walrus_fast.repository.known import HeldFiles
from walrus_fast.repository.layout import prepare_repository
from walrus_fast.repository.lock import lock_to_write
from walrus_fast.repository.manifest import BackupManifest, StoredFile
from walrus_fast.repository.meta import BackupMeta, MetaFile
from walrus_fast.repository.staging import staging_folder
from walrus_fast.rocksdb.manifest import read_current
from walrus_fast.snapshot.attach import attach
from walrus_fast.snapshot.pin_folder import default_pin_directory, job_pin_folder
from walrus_fast.transfer.pool import TransferPool
from walrus_fast.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.operations.progress import Observer
    from walrus_fast.repository.layout import Layout
    from walrus_fast.snapshot.model import Snapshot, SnapshotRequest

__all__ = ["CreateReport", "CreateRequest", "create_backup"]


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What to back up, where to, and how. `pin_dir` None is a hidden sibling of the database."""

    source: SnapshotRequest
    repository: Path
    mode: TransferMode = TransferMode.AUTO
    sync: bool = True
    workers: int = 2
    pin_dir: Path | None = None
    metadata: bytes = b""
    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class CreateReport:
    """What was done. Bytes are of file contents: `bytes_reused` were in the repository and not read,
    the others are new, by the way they came there; `bytes_read` is what the checksums had to read."""

    backup_id: int
    files: int
    bytes_total: int
    files_new: int
    bytes_reused: int
    bytes_linked: int
    bytes_cloned: int
    bytes_copied: int
    bytes_read: int
    captured_sequence: int
    rounds: int
    pin_seconds: float
    seconds: float


def create_backup(
    files: Files,
    request: CreateRequest,
    *,
    observer: Observer = silent,
    rate: Callable[[], int] = lambda: 0,
    now: Callable[[], float] = time.time,
) -> CreateReport:
    """Add one backup of a database, live or not, to a repository.

    Works from outside the process that owns the database, which notices nothing: its LOCK is not taken and its
    directory is not written. An exception from `observer` cancels: workers are killed, staging is removed.
    Raises: DatabaseError, RepositoryError, StorageError, WorkerDied. Then the repository lists what it did before.
    """
    started, began = time.monotonic(), now()
    observer(JobProgress(Phase.PINNING))
    read_current(files, request.source.database)  # a mistyped path must not leave an empty repository behind
    _check_apart(request)
    layout = prepare_repository(files, request.repository)
    with ExitStack() as stack:
        stack.enter_context(lock_to_write(files, layout.lock, wait_seconds=request.wait_seconds))
        staging = stack.enter_context(staging_folder(files, layout))
        held = HeldFiles(files, layout)
        snapshot = stack.enter_context(_snapshot(files, request, staging, held))
        backup_id = next_backup_id(files, layout)
        ingest = Ingest(
            files, layout, snapshot, held, mode=request.mode, staging=staging, backup_id=backup_id, began=began
        )
        _check_room(files, layout, ingest.bytes_to_write)
        with TransferPool(files, workers=request.workers, rate=rate) as pool:
            ingest.run(pool, sync=request.sync, report=observed(observer, Phase.TRANSFERRING))
        observer(JobProgress(Phase.COMMITTING))
        stored, created = ingest.stored, now()
        meta_files = tuple(MetaFile(file.path, file.crc32c) for file in stored)
        commit_backup(
            files,
            layout,
            staging,
            backup_id=backup_id,
            shared=ingest.placements,
            reused=ingest.never_synced,
            private=ingest.private,
            meta=BackupMeta(int(created), snapshot.captured_sequence, meta_files, request.metadata),
            manifest=lambda digest: _manifest(snapshot, backup_id, created, digest, stored, synced=request.sync),
            sync=request.sync,
        )
        return _report(backup_id, snapshot, ingest, time.monotonic() - started)


def _check_apart(request: CreateRequest) -> None:
    database = request.source.database.resolve()
    if request.repository.resolve().is_relative_to(database):
        raise RepositoryUnusable(
            f"{request.repository} lies in the database's own folder, which is never written to",
            hint="Put the repository beside the database, or better, on another disk.",
        )


@contextmanager
def _snapshot(files: Files, request: CreateRequest, staging: Path, held: HeldFiles) -> Iterator[Snapshot]:
    """Pin what the repository does not hold: in staging, else beside the database, else by descriptor."""
    pins, scratch = staging / PINS, staging / "scratch"
    for folder in (pins, scratch):
        files.make_directory(folder, 0o700)
    pin_dir = request.pin_dir or default_pin_directory(request.source.database)
    with (
        job_pin_folder(files, pin_dir, staging.name) as sibling,
        attach(
            files,
            request.source,
            pin_folders=[pins] if sibling is None else [pins, sibling],
            scratch=scratch,
            held=held.find,
        ) as snapshot,
    ):
        yield snapshot


def _check_room(files: Files, layout: Layout, needed: int) -> None:
    free = files.free_bytes(layout.root)
    if needed > free:
        raise DiskFull(f"the backup needs {needed} bytes in {layout.root} and {free} are free")


def _manifest(
    snapshot: Snapshot, backup_id: int, created: float, digest: bytes, stored: tuple[StoredFile, ...], *, synced: bool
) -> BackupManifest:
    return BackupManifest(
        backup_id=backup_id,
        created=created,
        tool=f"walrus-fast {VERSION}",
        database=str(snapshot.database),
        database_id=snapshot.database_id,
        captured_sequence=snapshot.captured_sequence,
        sequence_is_exact=snapshot.sequence_is_exact,
        families=tuple(family.name for family in snapshot.families),
        wal_dir=str(snapshot.wal_dir) if snapshot.wal_dir_is_separate else None,
        rounds=snapshot.rounds,
        pin_seconds=snapshot.seconds,
        meta_digest=digest,
        files=stored,
        synced=synced,
    )


def _report(backup_id: int, snapshot: Snapshot, ingest: Ingest, seconds: float) -> CreateReport:
    moved = ingest.bytes_by_method
    return CreateReport(
        backup_id=backup_id,
        files=len(ingest.stored),
        bytes_total=sum(file.size for file in ingest.stored),
        files_new=len(ingest.placements),
        bytes_reused=ingest.bytes_reused,
        bytes_linked=moved[Method.LINK],
        bytes_cloned=moved[Method.REFLINK],
        bytes_copied=moved[Method.COPY],
        bytes_read=ingest.bytes_read,
        captured_sequence=snapshot.captured_sequence,
        rounds=snapshot.rounds,
        pin_seconds=snapshot.seconds,
        seconds=seconds,
    )
