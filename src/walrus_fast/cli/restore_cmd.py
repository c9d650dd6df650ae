"""`restore`: bring a backup back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walrus_fast.cli.format import format_bytes, format_duration
from walrus_fast.cli.options import PATH, json_option, mode_option, rate_option, wait_option, workers_option
from walrus_fast.cli.output import print_json
from walrus_fast.cli.progress import shown_progress
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.restore import RestoreRequest, restore_backup

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["restore"]


@click.command("restore")
@click.option("--db-checkpoint-path", type=PATH, required=True, help="The repository's folder.")
@click.option("--db-path", type=PATH, required=True, help="Where the database shall be.")
@click.option("--checkpoint-id", type=click.IntRange(1), help="Which backup. The newest unless given.")
@click.option("--wal-dir", "--wal-path", type=PATH, help="Where the node looks for its WALs, when not in --db-path.")
@click.option("--force", is_flag=True, help="Replace a database that has another database id.")
@mode_option
@workers_option
@rate_option
@wait_option
@json_option
def restore(
    db_checkpoint_path: Path,
    db_path: Path,
    checkpoint_id: int | None,
    wal_dir: Path | None,
    force: bool,
    mode: str,
    workers: int,
    max_bytes_per_second: int,
    wait_seconds: float,
    as_json: bool,
) -> None:
    """Restore a database. What is there is kept beside it, and nothing is touched before all is verified."""
    request = RestoreRequest(
        repository=db_checkpoint_path,
        database=db_path,
        backup_id=checkpoint_id,
        wal_dir=wal_dir,
        mode=TransferMode(mode),
        force=force,
        workers=workers,
        wait_seconds=wait_seconds,
    )
    with shown_progress(quiet=as_json) as observer:
        report = restore_backup(Files(), request, observer=observer, rate=lambda: max_bytes_per_second)
    if as_json:
        print_json(report)
        return
    if report.settled:
        click.echo(f"Note: {report.settled}.")
    target = checkpoint_id or f"latest ({report.backup_id})"
    click.echo(
        f"Restored from {target} successfully: {format_bytes(report.bytes_total)} in {report.files} files, verified, "
        f"{format_bytes(report.bytes_written)} written, in {format_duration(report.seconds)}."
    )
    if report.previous:
        click.echo(f"The database from before is kept in {report.previous}; remove it when you are sure.")
    click.echo("The node must be restarted for changes to take effect.")
