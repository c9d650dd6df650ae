"""The group of all commands on backups that need no node."""

from __future__ import annotations

import click

from walrus_fast.cli.lazy import CommandTable, LazyGroup

__all__ = ["checkpoint"]

_COMMANDS: CommandTable = {
    "create": ("create_cmd", "create", "Back up a database, running or not, into a repository."),
    "list": ("list_cmd", "list_backups", "List the backups of a repository; damaged ones say so."),
    "verify": ("verify_cmd", "verify", "Compare the backups with what was stored, up to a tier."),
    "drill": ("drill_cmd", "drill", "Rehearse a restore in a scratch folder, and remove it again."),
    "delete": ("delete_cmd", "delete", "Delete one backup; files that other backups need stay."),
    "prune": ("retention_cmd", "prune", "Remove all but the newest backups; pinned ones stay."),
    "pin": ("retention_cmd", "pin", "Keep a backup from being removed by anything."),
    "unpin": ("retention_cmd", "unpin", "Let go of a pinned backup."),
    "adopt": ("adopt_cmd", "adopt", "Take over backups that RocksDB's engine made."),
}


@click.group(cls=LazyGroup, table=_COMMANDS)
def checkpoint() -> None:
    """Make, list, verify and delete backups, without a node."""
