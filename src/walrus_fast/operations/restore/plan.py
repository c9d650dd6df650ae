"""What a restore would do, told before it does anything."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.errors import StorageError, WalrusFastError
from walrus_fast.exchange.folder import works_in_place
from walrus_fast.exchange.steps import is_there
from walrus_fast.methods import TransferMode
from walrus_fast.operations.restore.checks import check_backup, check_target
from walrus_fast.operations.restore.transfer import find_reusable
from walrus_fast.repository.catalog import pick_backup
from walrus_fast.repository.layout import open_repository
from walrus_fast.repository.lock import lock_to_read

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.operations.restore.restore import RestoreRequest
    from walrus_fast.repository.catalog import Backup
    from walrus_fast.repository.layout import Layout

__all__ = ["RestorePlan", "plan_restore"]

_PROBE_BYTES = 64 << 20  # read to learn how fast the repository's disk is


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """Bytes of file contents. `obstacles` would make the restore refuse; without any, it would go ahead.

    `bytes_reusable` seem to be there already (each is compared before it is used); `bytes_to_share` will be cloned
    or linked where the file system can, `bytes_to_copy` must be written. All are read once. `seconds_expected` is
    reckoned from reading a sample of the backup; None when it is too small to tell.
    """

    backup_id: int
    files: int
    bytes_total: int
    bytes_reusable: int
    bytes_to_share: int
    bytes_to_copy: int
    bytes_free: int
    seconds_expected: float | None
    present: str
    obstacles: tuple[str, ...]


def plan_restore(files: Files, request: RestoreRequest) -> RestorePlan:
    """Look, and touch nothing. Raises: RepositoryError, StorageError."""
    layout = open_repository(files, request.repository)
    target = request.database.resolve()
    with lock_to_read(files, layout.lock, wait_seconds=request.wait_seconds):
        backup = pick_backup(files, layout, request.backup_id)
        obstacles = _obstacles(files, target, backup, request)
        reusable = find_reusable(files, layout, backup, [target], mode=request.mode)
        reused = sum(file.size or 0 for file in backup.files if file.path in reusable)
        private = sum(file.size or 0 for file in backup.files if file.path.startswith("private/"))
        beside = next(parent for parent in (target, *target.parents) if parent.is_dir())
        shares = request.mode is not TransferMode.COPY and files.device_of(beside) == files.device_of(layout.root)
        to_share = backup.size - private if shares else 0
        to_copy = backup.size - to_share - reused
        free = files.free_bytes(beside)
        if to_copy > free:
            obstacles.append(f"{to_copy} bytes are to be written and {free} are free")
        return RestorePlan(
            backup_id=backup.backup_id,
            files=len(backup.files),
            bytes_total=backup.size,
            bytes_reusable=reused,
            bytes_to_share=to_share,
            bytes_to_copy=to_copy,
            bytes_free=free,
            seconds_expected=_expected(files, layout, backup),
            present=_present(target),
            obstacles=tuple(obstacles),
        )


def _obstacles(files: Files, target: Path, backup: Backup, request: RestoreRequest) -> list[str]:
    try:
        check_backup(backup)
        check_target(files, target, backup, wal_dir_given=request.wal_dir is not None, force=request.force)
    except WalrusFastError as exc:
        return [f"{exc.message}. {exc.hint}"]
    return []


def _present(target: Path) -> str:
    if not is_there(target):
        return f"nothing is at {target}"
    if works_in_place(target):
        return f"the files in {target} (a mount point) will be kept in its folder before-restore-<time>"
    return f"{target} will be kept as {target.name}.before-restore-<time>"


def _expected(files: Files, layout: Layout, backup: Backup) -> float | None:
    """Seconds to read the whole backup at the rate at which its largest file can be read now."""
    largest = max(backup.files, key=lambda file: file.size or 0, default=None)
    if largest is None or (largest.size or 0) < 1 << 20:
        return None
    buffer = memoryview(bytearray(1 << 20))
    try:
        fd = files.open_read(layout.root / largest.path)
        try:
            started, done = time.monotonic(), 0
            while done < _PROBE_BYTES and (count := files.read_into(fd, buffer)):
                done += count
            return backup.size / (done / max(time.monotonic() - started, 1e-6))
        finally:
            files.close(fd)
    except StorageError:
        return None  # the restore itself will say what is wrong with the file
