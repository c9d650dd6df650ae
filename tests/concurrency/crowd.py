"""Several runs of the program at once, each a process of its own."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.command import PROGRAM, Outcome

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 100.0
# What a command may say when another one is at work; anything else is a fault.
TURNED_AWAY = {"repository-busy", "backup-not-found"}


@dataclass(frozen=True)
class Commands:
    """The command lines of one repository and one database."""

    database: Path
    repository: Path
    wait: float = 0

    def _on(self, *words: object) -> tuple[object, ...]:
        return (*words, "--path", self.repository, "--wait", self.wait)

    def create(self, *options: object) -> tuple[object, ...]:
        """`checkpoint create`."""
        return self._on("checkpoint", "create", "--db-path", self.database, *options)

    def delete(self, backup_id: int) -> tuple[object, ...]:
        """`checkpoint delete`."""
        return self._on("checkpoint", "delete", "--checkpoint-id", backup_id)

    def prune(self, keep: int) -> tuple[object, ...]:
        """`checkpoint prune`."""
        return self._on("checkpoint", "prune", "--keep", keep)

    def verify(self) -> tuple[object, ...]:
        """`checkpoint verify`."""
        return self._on("checkpoint", "verify")

    def list(self) -> tuple[object, ...]:
        """`checkpoint list`, which waits for nobody."""
        return ("checkpoint", "list", "--path", self.repository)

    def restore(self, target: Path, *options: object) -> tuple[object, ...]:
        """`restore`."""
        return ("restore", "--db-checkpoint-path", self.repository, "--db-path", target, "--wait", self.wait, *options)


def at_once(*commands: tuple[object, ...]) -> list[Outcome]:
    """Start them all, then wait for them all. No traceback, and an error is one of `code`."""
    started = [
        subprocess.Popen(
            [str(PROGRAM), *map(str, command), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    outcomes = []
    for process in started:
        out, error = process.communicate(timeout=TIMEOUT)
        outcomes.append(Outcome(process.returncode, out, error))
    for outcome in outcomes:
        assert "Traceback" not in outcome.stderr, outcome
    return outcomes


def done(outcome: Outcome, *turned_away: str) -> Any:
    """The document of a command that succeeded; None when it was turned away in one of the ways given."""
    document = json.loads(outcome.stdout)
    if outcome.status == 0:
        return document
    assert document["error"]["code"] in (turned_away or TURNED_AWAY), outcome
    return None
