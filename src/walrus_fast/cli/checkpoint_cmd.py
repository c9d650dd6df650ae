"""`checkpoint create|list|verify|delete` and `list-db-checkpoint`: the commands that need no node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walrus_fast.cli.format import backup_line, format_bytes, format_duration
from walrus_fast.cli.options import PATH, json_option, mode_option, rate_option, wait_option, workers_option
from walrus_fast.cli.output import print_json
from walrus_fast.cli.progress import shown_progress
from walrus_fast.errors import BackupDamaged
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.create import CreateReport, CreateRequest, create_backup
from walrus_fast.operations.delete import delete_backup
from walrus_fast.operations.verify import VerifyReport, verify_backups
from walrus_fast.repository.catalog import Backup, load_catalog
from walrus_fast.repository.layout import open_repository
from walrus_fast.snapshot.model import SnapshotRequest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["checkpoint", "list_db_checkpoint"]

path_option = click.option("--path", "repository", type=PATH, required=True, help="The repository's folder.")


@click.group()
def checkpoint() -> None:
    """Make, list, verify and delete backups, without a node."""


@checkpoint.command("create")
@click.option("--db-path", type=PATH, required=True, help="The database's folder; its owner may be running.")
@path_option
@mode_option
@click.option("--wal-dir", type=PATH, help="Where its WALs are, when that differs from what its OPTIONS say.")
@click.option("--data-dir", "data_dirs", type=PATH, multiple=True, help="Its db_paths, in order; repeatable.")
@click.option("--pin-dir", type=PATH, help="For pins, on the database's file system. A hidden sibling unless given.")
@click.option("--sync/--no-sync", default=True, show_default=True, help="Make the backup durable before it counts.")
@click.option("--max-rounds", type=click.IntRange(1), default=1000, show_default=True, help="Tries to pin.")
@workers_option
@rate_option
@wait_option
@json_option
def create(
    db_path: Path,
    repository: Path,
    mode: str,
    wal_dir: Path | None,
    data_dirs: tuple[Path, ...],
    pin_dir: Path | None,
    sync: bool,
    max_rounds: int,
    workers: int,
    max_bytes_per_second: int,
    wait_seconds: float,
    as_json: bool,
) -> None:
    """Back up a database, running or not, into a repository."""
    request = CreateRequest(
        source=SnapshotRequest(db_path, wal_dir, data_dirs, max_rounds),
        repository=repository,
        mode=TransferMode(mode),
        sync=sync,
        workers=workers,
        pin_dir=pin_dir,
        wait_seconds=wait_seconds,
    )
    with shown_progress(quiet=as_json) as observer:
        report = create_backup(Files(), request, observer=observer, rate=lambda: max_bytes_per_second)
    if as_json:
        print_json(report)
    else:
        _print_created(report, repository)


def _print_created(report: CreateReport, repository: Path) -> None:
    click.echo(
        f"Backup {report.backup_id} of {format_bytes(report.bytes_total)} in {report.files} files is in {repository}."
    )
    ways = [
        (report.bytes_reused, "there already"),
        (report.bytes_linked, "linked"),
        (report.bytes_cloned, "cloned"),
        (report.bytes_copied, "copied"),
    ]
    moved = ", ".join(f"{format_bytes(size)} {way}" for size, way in ways if size)
    click.echo(f"{report.files_new} new table and blob files; {moved}; {format_bytes(report.bytes_read)} read.")
    click.echo(
        f"Captured up to sequence number {report.captured_sequence}, pinned in "
        f"{format_duration(report.pin_seconds)} ({report.rounds} round{'s' if report.rounds > 1 else ''}), done in {format_duration(report.seconds)}."
    )


@checkpoint.command("list")
@path_option
@json_option
def list_backups(repository: Path, as_json: bool) -> None:
    """List the backups of a repository; damaged ones say so."""
    backups = load_catalog(Files(), open_repository(Files(), repository))
    if as_json:
        print_json({"repository": repository, "backups": [_backup_json(backup) for backup in backups]})
        return
    if not backups:
        click.echo(f"No backups in {repository}")
        return
    click.echo("Backups:")
    for backup in backups:
        click.echo(backup_line(backup))


def _backup_json(backup: Backup) -> dict[str, object]:
    manifest = backup.manifest
    return {
        "backup_id": backup.backup_id,
        "created": backup.timestamp,
        "size": backup.size,
        "files": len(backup.files),
        "sequence": backup.sequence,
        "damaged": backup.is_damaged,
        "problems": backup.problems,
        "tool": manifest.tool if manifest else None,
        "database": manifest.database if manifest else None,
        "database_id": manifest.database_id if manifest else None,
        "families": manifest.families if manifest else None,
    }


@click.command("list-db-checkpoint")
@click.argument("repository", type=PATH)
@json_option
def list_db_checkpoint(repository: Path, as_json: bool) -> None:
    """List the backups in REPOSITORY, in the words of the original command."""
    backups = load_catalog(Files(), open_repository(Files(), repository))
    if as_json:
        print_json({"repository": repository, "backups": [_backup_json(backup) for backup in backups]})
    elif not backups:
        click.echo(f"No checkpoints found in {repository}")
    else:
        click.echo(f"Available checkpoints in {repository}:")
        for backup in backups:
            click.echo(f"  {backup_line(backup)}")


@checkpoint.command("verify")
@path_option
@click.option("--checkpoint-id", "ids", type=click.IntRange(1), multiple=True, help="Only this one; repeatable.")
@workers_option
@rate_option
@wait_option
@json_option
def verify(
    repository: Path,
    ids: tuple[int, ...],
    workers: int,
    max_bytes_per_second: int,
    wait_seconds: float,
    as_json: bool,
) -> None:
    """Read every byte of the backups and compare it with its checksums. Nothing is deleted."""
    with shown_progress(quiet=as_json) as observer:
        report = verify_backups(
            Files(),
            repository,
            ids=ids,
            workers=workers,
            observer=observer,
            rate=lambda: max_bytes_per_second,
            wait_seconds=wait_seconds,
        )
    if as_json:
        print_json(report)
    else:
        _print_verified(report, repository)
    if report.damaged:
        names = ", ".join(str(verdict.backup_id) for verdict in report.damaged)
        raise BackupDamaged(f"damaged in {repository}: backup {names}")


def _print_verified(report: VerifyReport, repository: Path) -> None:
    if not report.backups:
        click.echo(f"No backups in {repository}")
        return
    for verdict in report.backups:
        state = "DAMAGED" if verdict.problems else "ok"
        click.echo(
            f"Backup ID: {verdict.backup_id}, Size: {format_bytes(verdict.bytes)}, Files: {verdict.files}: {state}"
        )
        for problem in verdict.problems:
            click.echo(f"  {problem}")
    click.echo(f"{report.files_read} files, {format_bytes(report.bytes_read)} read and compared.")


@checkpoint.command("delete")
@path_option
@click.option("--checkpoint-id", type=click.IntRange(1), required=True, help="The backup to delete.")
@wait_option
@json_option
def delete(repository: Path, checkpoint_id: int, wait_seconds: float, as_json: bool) -> None:
    """Delete one backup; files that other backups need stay."""
    report = delete_backup(Files(), repository, checkpoint_id, wait_seconds=wait_seconds)
    if as_json:
        print_json(report)
        return
    click.echo(f"Backup {checkpoint_id} was deleted from {repository}.")
    if report.shared_files_kept:
        click.echo(
            "Its table and blob files stay: another backup's meta cannot be read, so what it needs is not known."
        )
