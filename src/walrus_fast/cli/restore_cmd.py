"""`restore`: bring a backup back, look first what that would do, or take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walrus_fast.cli.format import format_bytes, format_duration
from walrus_fast.cli.options import PATH, json_option, mode_option, rate_option, wait_option, workers_option
from walrus_fast.cli.output import print_json
from walrus_fast.cli.pace import governor_for
from walrus_fast.cli.progress import shown_progress
from walrus_fast.errors import RestoreRefused
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.restore.plan import plan_restore
from walrus_fast.operations.restore.restore import RestoreRequest, restore_backup
from walrus_fast.operations.restore.undo import discard_previous, undo_restore

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.operations.restore.plan import RestorePlan
    from walrus_fast.operations.restore.restore import RestoreReport
    from walrus_fast.rates import RateLimit

__all__ = ["restore"]


@click.command("restore")
@click.option("--db-checkpoint-path", type=PATH, help="The repository's folder.")
@click.option("--db-path", type=PATH, required=True, help="Where the database shall be.")
@click.option("--checkpoint-id", type=click.IntRange(1), help="Which backup. The newest unless given.")
@click.option("--wal-dir", "--wal-path", type=PATH, help="Where the node looks for its WALs, when not in --db-path.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and touch nothing.")
@click.option("--undo", is_flag=True, help="Bring back the database that the last restore has kept.")
@click.option("--discard-previous", is_flag=True, help="Delete the databases that restores have kept.")
@click.option("--open/--no-open", "open_first", default=True, help="Have RocksDB open the backup before it counts.")
@click.option("--force", is_flag=True, help="Replace a database that has another database id.")
@mode_option
@workers_option
@rate_option
@wait_option
@json_option
def restore(
    db_checkpoint_path: Path | None,
    db_path: Path,
    checkpoint_id: int | None,
    wal_dir: Path | None,
    dry_run: bool,
    undo: bool,
    discard_previous: bool,
    open_first: bool,
    force: bool,
    mode: str,
    workers: int,
    max_bytes_per_second: RateLimit,
    wait_seconds: float,
    as_json: bool,
) -> None:
    """Restore a database. What is there is kept beside it, and nothing is touched before all is verified."""
    if undo:
        _undo(db_path, as_json=as_json)
        return
    if discard_previous:
        _discard(db_path, as_json=as_json)
        return
    if db_checkpoint_path is None:
        raise click.UsageError("Missing option '--db-checkpoint-path'.")
    request = RestoreRequest(
        repository=db_checkpoint_path,
        database=db_path,
        backup_id=checkpoint_id,
        wal_dir=wal_dir,
        mode=TransferMode(mode),
        force=force,
        open_first=open_first,
        workers=workers,
        wait_seconds=wait_seconds,
    )
    if dry_run:
        _plan(plan_restore(Files(), request), as_json=as_json)
        return
    files = Files()
    governor = governor_for(files, max_bytes_per_second)
    with shown_progress(quiet=as_json) as observer:
        report = restore_backup(files, request, observer=governor.watching(observer), rate=governor)
    if as_json:
        print_json(report)
    else:
        _print_restored(report, checkpoint_id)


def _print_restored(report: RestoreReport, checkpoint_id: int | None) -> None:
    target = checkpoint_id or f"latest ({report.backup_id})"
    reused = f", {format_bytes(report.bytes_reused)} were there already" if report.bytes_reused else ""
    click.echo(
        f"Restored from {target} successfully: {format_bytes(report.bytes_total)} in {report.files} files verified, "
        f"{format_bytes(report.bytes_written)} written{reused}, in {format_duration(report.seconds)}."
    )
    for note in report.notes:
        click.echo(f"Note: {note}.")
    if report.previous:
        click.echo(f"The database from before is kept in {report.previous};")
        click.echo("`restore --undo` brings it back, `restore --discard-previous` deletes it.")
    click.echo("The node must be restarted for changes to take effect.")


def _plan(plan: RestorePlan, *, as_json: bool) -> None:
    if as_json:
        print_json(plan)
    else:
        click.echo(
            f"Backup {plan.backup_id}: {format_bytes(plan.bytes_total)} in {plan.files} files, all to be verified."
        )
        click.echo(
            f"  to be copied              {format_bytes(plan.bytes_to_copy)} ({format_bytes(plan.bytes_free)} free)"
        )
        click.echo(f"  to be cloned or linked    {format_bytes(plan.bytes_to_share)}")
        click.echo(f"  there already, it seems   {format_bytes(plan.bytes_reusable)}")
        if plan.seconds_expected is not None:
            click.echo(f"  about {format_duration(plan.seconds_expected)} to read it, from a sample just now")
        click.echo(f"At present {plan.present}." if plan.present.startswith("nothing") else f"{plan.present}.")
    if plan.obstacles:
        raise RestoreRefused("the restore would be refused: " + "; ".join(plan.obstacles))


def _undo(db_path: Path, *, as_json: bool) -> None:
    report = undo_restore(Files(), db_path)
    if as_json:
        print_json(report)
        return
    for note in report.notes:
        click.echo(f"Note: {note}.")
    click.echo(f"{report.restored} is again the database that was kept in {report.source.name}.")
    click.echo(f"What the restore had put there is kept in {report.undone}; remove it when you are sure.")


def _discard(db_path: Path, *, as_json: bool) -> None:
    deleted = discard_previous(Files(), db_path)
    if as_json:
        print_json({"deleted": deleted})
    elif deleted:
        click.echo("Deleted: " + ", ".join(str(path) for path in deleted))
    else:
        click.echo(f"No restore of {db_path} has kept anything.")
