"""`checkpoint prune|pin|unpin`: retention, without a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walrus_fast.cli.job_display import print_pruned
from walrus_fast.cli.options import json_option, path_option, wait_option
from walrus_fast.cli.output import print_json
from walrus_fast.files import Files
from walrus_fast.operations.keeping.prune import pin_backup, prune_backups

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["pin", "prune", "unpin"]

_id_option = click.option("--checkpoint-id", type=click.IntRange(1), required=True, help="The backup's id.")


@click.command("prune")
@path_option
@click.option("--keep", type=click.IntRange(1), required=True, help="Keep so many good backups, the newest.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@wait_option
@json_option
def prune(repository: Path, keep: int, dry_run: bool, wait_seconds: float, as_json: bool) -> None:
    """Remove all but the newest backups; pinned ones stay."""
    report = prune_backups(Files(), repository, keep=keep, dry_run=dry_run, wait_seconds=wait_seconds)
    if as_json:
        print_json(report)
    else:
        print_pruned(report.removed, report.kept, report.pinned, dry_run=dry_run)


@click.command("pin")
@path_option
@_id_option
@wait_option
@json_option
def pin(repository: Path, checkpoint_id: int, wait_seconds: float, as_json: bool) -> None:
    """Keep a backup from being removed by anything."""
    pin_backup(Files(), repository, checkpoint_id, pinned=True, wait_seconds=wait_seconds)
    _say(checkpoint_id, pinned=True, as_json=as_json)


@click.command("unpin")
@path_option
@_id_option
@wait_option
@json_option
def unpin(repository: Path, checkpoint_id: int, wait_seconds: float, as_json: bool) -> None:
    """Let go of a pinned backup."""
    pin_backup(Files(), repository, checkpoint_id, pinned=False, wait_seconds=wait_seconds)
    _say(checkpoint_id, pinned=False, as_json=as_json)


def _say(backup_id: int, *, pinned: bool, as_json: bool) -> None:
    if as_json:
        print_json({"backup_id": backup_id, "pinned": pinned})
    else:
        click.echo(f"Backup {backup_id} is {'pinned' if pinned else 'not pinned any more'}.")
