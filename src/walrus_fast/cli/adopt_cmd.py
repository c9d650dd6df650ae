"""`checkpoint adopt`: take over a repository that RocksDB, or the original walrus-node, made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from walrus_fast.cli.format import format_bytes, format_duration
from walrus_fast.cli.options import json_option, path_option, rate_option, wait_option, workers_option
from walrus_fast.cli.output import print_json
from walrus_fast.cli.pace import governor_for
from walrus_fast.cli.progress import shown_progress
from walrus_fast.errors import BackupDamaged
from walrus_fast.files import Files
from walrus_fast.operations.backup.adopt import AdoptedBackup, AdoptReport, adopt_repository

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.rates import RateLimit

__all__ = ["adopt"]


@click.command("adopt")
@path_option
@workers_option
@rate_option
@wait_option
@json_option
def adopt(repository: Path, workers: int, max_bytes_per_second: RateLimit, wait_seconds: float, as_json: bool) -> None:
    """Read backups that have no checksums of ours, compare them with RocksDB's, and record ours.

    Nothing else changes. Damaged backups are named, those that RocksDB's own list hides too, and stay as they are.
    """
    files = Files()
    governor = governor_for(files, max_bytes_per_second)
    with shown_progress(quiet=as_json) as observer:
        report = adopt_repository(
            files,
            repository,
            workers=workers,
            observer=governor.watching(observer),
            rate=governor,
            wait_seconds=wait_seconds,
        )
    names = ", ".join(str(backup.backup_id) for backup in report.damaged)
    damaged = BackupDamaged(f"damaged in {repository}, and not adopted: backup {names}") if names else None
    if as_json:
        print_json(report, error=damaged)
        sys.exit(damaged.exit_status if damaged else 0)
    _print_adopted(report, repository)
    if damaged:
        raise damaged


def _print_adopted(report: AdoptReport, repository: Path) -> None:
    if not report.backups:
        click.echo(f"No backups in {repository}")
        return
    for backup in report.backups:
        size = format_bytes(backup.bytes)
        click.echo(f"Backup ID: {backup.backup_id}, Size: {size}, Files: {backup.files}: {_state(backup)}")
        for problem in backup.problems:
            click.echo(f"  {problem}")
    click.echo(
        f"{report.files_read} files, {format_bytes(report.bytes_read)} read, in {format_duration(report.seconds)}."
    )


def _state(backup: AdoptedBackup) -> str:
    if backup.problems:
        return "DAMAGED, and hidden by RocksDB's own list" if backup.hidden else "DAMAGED"
    return "ours already" if backup.was_ours else "adopted"
