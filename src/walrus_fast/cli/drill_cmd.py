"""`checkpoint drill`: rehearse a restore, and remember that it went well."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from walrus_fast.cli.format import format_bytes, format_duration
from walrus_fast.cli.options import json_option, mode_option, path_option, rate_option, wait_option, workers_option
from walrus_fast.cli.output import print_json
from walrus_fast.cli.pace import governor_for
from walrus_fast.cli.progress import shown_progress
from walrus_fast.cli.verify_cmd import print_left_out, scratch_option, stall_option
from walrus_fast.errors import BackupDamaged
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.restore.drill import DrillReport, DrillRequest, drill_backup

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.protocol.jobs import DrillResult
    from walrus_fast.rates import RateLimit

__all__ = ["drill", "print_drilled", "rows_option"]

rows_option = click.option("--rows/--no-rows", default=True, show_default=True, help="Read every row once it is open.")


@click.command("drill")
@path_option
@click.option("--checkpoint-id", type=click.IntRange(1), help="Which backup. The newest unless given.")
@rows_option
@scratch_option
@stall_option
@mode_option
@workers_option
@rate_option
@wait_option
@json_option
def drill(
    repository: Path,
    checkpoint_id: int | None,
    rows: bool,
    scratch_dir: Path | None,
    stall_seconds: float,
    mode: str,
    workers: int,
    max_bytes_per_second: RateLimit,
    wait_seconds: float,
    as_json: bool,
) -> None:
    """Restore a backup into a scratch folder, open it with RocksDB, read it, and remove it again."""
    request = DrillRequest(
        repository=repository,
        backup_id=checkpoint_id,
        scratch_dir=scratch_dir,
        mode=TransferMode(mode),
        rows=rows,
        workers=workers,
        wait_seconds=wait_seconds,
        stall_seconds=stall_seconds,
    )
    files = Files()
    governor = governor_for(files, max_bytes_per_second)
    with shown_progress(quiet=as_json) as observer:
        report = drill_backup(files, request, observer=governor.watching(observer), rate=governor)
    failed = (
        None
        if report.succeeded
        else BackupDamaged(f"backup {report.backup_id} was not proven restorable: {report.problems[0]}")
    )
    if as_json:
        print_json(report, error=failed)
        sys.exit(failed.exit_status if failed else 0)
    print_drilled(report)
    if failed:
        raise failed


def print_drilled(report: DrillReport | DrillResult) -> None:
    """How a drill went, here or by a node."""
    for problem in report.problems:
        click.echo(f"  {problem}")
    print_left_out(report.families_left_out)
    if not report.problems:
        rows, seconds = report.rows, format_duration(report.read_seconds)
        read = f", {rows} rows read in {seconds}" if report.rows_read else ", no row read"
        click.echo(
            f"Backup {report.backup_id} was restored, {format_bytes(report.bytes_total)} in {report.files} files, "
            f"and opened with {len(report.families)} column families{read}. The scratch is removed."
        )
        click.echo(
            f"A restore by the same means takes {format_duration(report.restore_seconds)}; "
            f"one that copies every byte, about {format_duration(report.copy_seconds)}."
        )
    if report.not_recorded:
        click.echo(f"The result could not be kept with the backup: {report.not_recorded}.")
