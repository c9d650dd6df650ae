"""walrus-fast as an operator runs it: the real command, a process for each operation."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.measure import CommandFailed, Run, run_command

__all__ = ["create", "help_text", "list_backups", "restore", "verify"]

_PROGRAM = Path(sys.executable).with_name("walrus-node")


def create(database: Path, repository: Path, *options: str) -> Run:
    """`checkpoint create`; `sync` is on unless an option says otherwise, as the engine's is."""
    return _run("checkpoint", "create", "--db-path", database, "--path", repository, *options)


def verify(repository: Path) -> Run:
    """`checkpoint verify` of every backup, every byte. Raises: CommandFailed when anything is damaged."""
    return _run("checkpoint", "verify", "--path", repository)


def list_backups(repository: Path) -> Run:
    """`checkpoint list`. Raises: CommandFailed when a backup is listed as damaged."""
    run = _run("checkpoint", "list", "--path", repository)
    backups = run.report["backups"]
    if not isinstance(backups, list) or not backups or any(backup["damaged"] for backup in backups):
        raise CommandFailed(f"{repository} does not list as it should: {run.report}")
    return run


def restore(repository: Path, target: Path, mode: str) -> Run:
    """`restore` by one transfer mode. No peer opens what it restores, so ours does not here either."""
    return _run(
        "restore", "--no-open", "--db-checkpoint-path", repository, "--db-path", target, "--transfer-mode", mode
    )


def help_text() -> Run:
    """`--help`: what every command pays before it begins."""
    return run_command([_PROGRAM, "--help"])


def _run(*words: str | Path) -> Run:
    return run_command([_PROGRAM, *words, "--json"], parse=True)
