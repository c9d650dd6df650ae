"""`checkpoint create`: back up a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walrus_fast.cli.format import format_bytes, format_duration
from walrus_fast.cli.options import (
    PATH,
    json_option,
    mode_option,
    path_option,
    rate_option,
    wait_option,
    workers_option,
)
from walrus_fast.cli.output import print_json
from walrus_fast.cli.pace import governor_for
from walrus_fast.cli.progress import shown_progress
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.backup.create import CreateReport, CreateRequest, create_backup
from walrus_fast.snapshot.model import SnapshotRequest

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.rates import RateLimit

__all__ = ["create"]


@click.command("create")
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
    max_bytes_per_second: RateLimit,
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
    files = Files()
    governor = governor_for(files, max_bytes_per_second, db_path)
    with shown_progress(quiet=as_json) as observer:
        report = create_backup(files, request, observer=governor.watching(observer), rate=governor)
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
    rounds = "1 round" if report.rounds == 1 else f"{report.rounds} rounds"
    click.echo(
        f"Captured up to sequence number {report.captured_sequence}, pinned in "
        f"{format_duration(report.pin_seconds)} ({rounds}), done in {format_duration(report.seconds)}."
    )
