"""`checkpoint list` and `list-db-checkpoint`: the backups, what is proven of them, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walrus_fast.cli.format import backup_line, format_bytes, proof_line
from walrus_fast.cli.options import PATH, json_option, path_option
from walrus_fast.cli.output import print_json
from walrus_fast.files import Files
from walrus_fast.operations.keeping.space import SpaceReport, measure_space
from walrus_fast.operations.keeping.survey import proof_of
from walrus_fast.repository.catalog import load_catalog
from walrus_fast.repository.layout import open_repository
from walrus_fast.repository.verification import load_records

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.repository.catalog import Backup
    from walrus_fast.repository.verification import VerificationRecord

__all__ = ["list_backups", "list_db_checkpoint"]


@click.command("list")
@path_option
@click.option("--long", "is_long", is_flag=True, help="Show what was proven of each, and when.")
@click.option("--space", is_flag=True, help="Show what each holds alone, and what deleting it frees.")
@click.option("--db-path", type=PATH, help="With --space: the database, when not where the newest backup was taken.")
@json_option
def list_backups(repository: Path, is_long: bool, space: bool, db_path: Path | None, as_json: bool) -> None:
    """List the backups of a repository; damaged ones say so."""
    found = measure_space(Files(), repository, database=db_path) if space else None
    backups, records = _load(repository)
    if as_json:
        document = _document(repository, backups, records)
        print_json({**document, "space": found} if found else document)
        return
    if not backups:
        click.echo(f"No backups in {repository}")
        return
    click.echo("Backups:")
    for backup in backups:
        click.echo(backup_line(backup))
        if is_long:
            click.echo(f"  {proof_line(proof_of(records.get(backup.backup_id)))}")
    if found:
        _print_space(found)


def _load(repository: Path) -> tuple[list[Backup], dict[int, VerificationRecord]]:
    layout = open_repository(Files(), repository)
    return load_catalog(Files(), layout), load_records(Files(), layout)


def _document(repository: Path, backups: list[Backup], records: dict[int, VerificationRecord]) -> dict[str, object]:
    return {
        "repository": repository,
        "backups": [_backup_json(backup, records.get(backup.backup_id)) for backup in backups],
    }


def _backup_json(backup: Backup, record: VerificationRecord | None) -> dict[str, object]:
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
        "proof": _proof_json(record),
    }


def _proof_json(record: VerificationRecord | None) -> dict[str, object] | None:
    """None when nothing was ever verified of this backup."""
    if record is None or (record.last is None and record.last_drill is None):
        return None
    return {
        "tier": record.tier,
        "date": record.reached.get(record.tier) if record.tier else None,
        "reached": record.reached,
        "samples": record.samples,
        "last": record.last,
        "damage": record.damage,
        "last_drill": record.last_drill,
        "last_proven_restorable": record.last_proven_restorable,
    }


def _print_space(space: SpaceReport) -> None:
    click.echo(f"\n{'Backup ID':>9}  {'Size':>10}  {'Held alone':>10}  {'Deleting frees':>14}  {'Not in database':>15}")
    for backup in space.backups:
        sizes = (backup.size, backup.alone, backup.freed_by_deleting, backup.not_in_database)
        columns = [format_bytes(size) for size in sizes]
        click.echo(f"{backup.backup_id:>9}  {columns[0]:>10}  {columns[1]:>10}  {columns[2]:>14}  {columns[3]:>15}")
    click.echo(
        f"\nAll backups together: {format_bytes(space.total)}. Held by the database as well, so free of charge: "
        f"{format_bytes(space.held_by_database)}; by other names elsewhere: {format_bytes(space.held_elsewhere)}."
    )
    click.echo(
        f"Kept by the repository alone: {format_bytes(space.only_here)}, of which hard links pin "
        f"{format_bytes(space.pinned)} that the database has deleted."
    )
    if space.unreferenced:
        click.echo(f"Used by no backup: {format_bytes(space.unreferenced)}; the next deletion removes it.")
    if space.database is None:
        click.echo("Which database the backups were taken of is not known; --db-path tells.")


@click.command("list-db-checkpoint")
@click.argument("repository", type=PATH)
@json_option
def list_db_checkpoint(repository: Path, as_json: bool) -> None:
    """List the backups in REPOSITORY, in the words of the original command."""
    backups, records = _load(repository)
    if as_json:
        print_json(_document(repository, backups, records))
    elif not backups:
        click.echo(f"No checkpoints found in {repository}")
    else:
        click.echo(f"Available checkpoints in {repository}:")
        for backup in backups:
            click.echo(f"  {backup_line(backup)}")
