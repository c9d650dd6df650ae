"""`checkpoint delete`: remove one backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walrus_fast.cli.options import json_option, path_option, wait_option
from walrus_fast.cli.output import print_json
from walrus_fast.files import Files
from walrus_fast.operations.keeping.delete import delete_backup

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["delete"]


@click.command("delete")
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
