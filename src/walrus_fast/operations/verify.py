"""Verify: read every file of a backup and compare it with its checksums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.operations.progress import Phase, observed, silent
from walrus_fast.repository.catalog import load_catalog, pick_backup
from walrus_fast.repository.layout import open_repository
from walrus_fast.repository.lock import lock_to_read
from walrus_fast.transfer.pool import TransferPool
from walrus_fast.transfer.task import FailedFile, TransferItem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.operations.progress import Observer
    from walrus_fast.repository.catalog import Backup, BackupFile
    from walrus_fast.transfer.task import TransferredFile

__all__ = ["BackupVerdict", "VerifyReport", "checksum_problem", "verify_backups"]


@dataclass(frozen=True, slots=True)
class BackupVerdict:
    """What was found of one backup; no problems means that every byte is what was stored."""

    backup_id: int
    files: int
    bytes: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """`files_read` and `bytes_read` count each shared file once, however many backups it belongs to."""

    backups: tuple[BackupVerdict, ...]
    files_read: int
    bytes_read: int

    @property
    def damaged(self) -> tuple[BackupVerdict, ...]:
        """The backups that are not what was stored."""
        return tuple(verdict for verdict in self.backups if verdict.problems)


def verify_backups(
    files: Files,
    repository: Path,
    *,
    ids: Sequence[int] = (),
    workers: int = 2,
    observer: Observer = silent,
    rate: Callable[[], int] = lambda: 0,
    wait_seconds: float = 0.0,
) -> VerifyReport:
    """Check backups `ids`, or all. Nothing is written or deleted.

    Sizes first, then crc32c and, where we know it, xxh3 of every byte; a file that several backups share is read
    once. Raises: RepositoryNotFound, BackupNotFound, RepositoryBusy, StorageError. Damage is in the report.
    """
    layout = open_repository(files, repository)
    with lock_to_read(files, layout.lock, wait_seconds=wait_seconds):
        backups = [pick_backup(files, layout, id_) for id_ in ids] if ids else load_catalog(files, layout)
        unique = {file.path: file for backup in backups for file in backup.files if file.size is not None}
        items = [TransferItem(str(layout.root / path), None, file.size or 0) for path, file in unique.items()]
        with TransferPool(files, workers=workers, rate=rate) as pool:
            answers = pool.survey(items, on_progress=observed(observer, Phase.VERIFYING))
    found = dict(zip(unique, answers, strict=True))
    return VerifyReport(
        backups=tuple(_judge(backup, found) for backup in backups),
        files_read=len(items),
        bytes_read=sum(item.size for item in items),
    )


def _judge(backup: Backup, found: dict[str, TransferredFile | FailedFile]) -> BackupVerdict:
    problems = list(backup.problems)
    for file in backup.files:
        answer = found.get(file.path)
        problem = None if answer is None else checksum_problem(file, answer)
        # A wrong size says it all; the checksums of such a file cannot match either.
        if problem is not None and not any(known.startswith(f"{file.path} ") for known in backup.problems):
            problems.append(problem)
    return BackupVerdict(backup.backup_id, len(backup.files), backup.size, tuple(problems))


def checksum_problem(file: BackupFile, answer: TransferredFile | FailedFile) -> str | None:
    """What is wrong with a file that was read, in words; None when it is what was stored."""
    if isinstance(answer, FailedFile):
        return f"{file.path} cannot be read: {answer.message}"
    if file.crc32c is not None and answer.crc32c != file.crc32c:
        return f"{file.path} has crc32c {answer.crc32c:#010x} instead of {file.crc32c:#010x}"
    if file.xxh3 and answer.xxh3 != file.xxh3:
        return f"{file.path} has xxh3 {answer.xxh3.hex()} instead of {file.xxh3.hex()}"
    return None
