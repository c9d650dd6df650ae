"""The operations, called in this process: what `walrus-fast` does with these arguments, without its start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.backup.create import CreateReport, CreateRequest, create_backup
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.operations.restore.restore import RestoreReport, RestoreRequest, restore_backup
from walrus_fast.repository.catalog import load_catalog
from walrus_fast.repository.layout import Layout
from walrus_fast.snapshot.model import SnapshotRequest
from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = Files()


def back_up(
    database: Path,
    repository: Path,
    mode: TransferMode = TransferMode.COPY,
    *,
    files: Files = FILES,
    metadata: bytes = b"",
    now: Callable[[], float] = time.time,
) -> CreateReport:
    """`checkpoint create --no-sync`."""
    request = CreateRequest(SnapshotRequest(database), repository, mode=mode, sync=False, metadata=metadata)
    return create_backup(files, request, now=now)


def bring_back(repository: Path, database: Path, backup_id: int | None = None) -> RestoreReport:
    """`restore --force --no-open`."""
    request = RestoreRequest(repository, database, backup_id=backup_id, force=True, open_first=False)
    return restore_backup(FILES, request)


def problems(repository: Path, tier: Tier = Tier.CLOSURE) -> dict[int, tuple[str, ...]]:
    """`checkpoint verify`: what is wrong, by backup; sound ones are left out."""
    report = verify_backups(FILES, repository, tier=tier)
    return {verdict.backup_id: verdict.problems for verdict in report.backups if verdict.problems}


def listed(repository: Path) -> dict[int, bool]:
    """`checkpoint list`: whether each backup looks sound."""
    return {backup.backup_id: not backup.is_damaged for backup in load_catalog(FILES, Layout(repository))}


def shared(repository: Path) -> set[str]:
    """The names in shared_checksum/."""
    return {path.name for path in (repository / "shared_checksum").iterdir()}


def stored_as(repository: Path, name: str) -> list[Path]:
    """The shared files that a database's file is stored as, e.g. of `000010.blob`."""
    number, _, suffix = name.partition(".")
    return sorted((repository / "shared_checksum").glob(f"{number}_*.{suffix}"))
