"""Runs the real program as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = Path(sys.executable).parent / "walrus-fast"
TIMEOUT = 60.0


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.stdout)

    @property
    def code(self) -> str:
        """The code of the error, of a command that was given `--json`."""
        return str(self.document["error"]["code"])

    @property
    def message(self) -> str:
        """The message of the error, of a command that was given `--json`."""
        return str(self.document["error"]["message"])


def run(*arguments: object, prefix: Sequence[str] = (), environment: dict[str, str] | None = None) -> Outcome:
    """Run `walrus-fast` with these arguments, behind `prefix` (setpriv, prlimit, strace and their kin)."""
    done = subprocess.run(
        [*prefix, str(PROGRAM), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def succeed(*arguments: object, prefix: Sequence[str] = ()) -> Any:
    """Run with `--json`, expect status 0, give the document."""
    outcome = run(*arguments, "--json", prefix=prefix)
    assert outcome.status == 0, outcome
    return outcome.document


def refuse(status: int, code: str, *arguments: object, prefix: Sequence[str] = ()) -> str:
    """Run with `--json`, expect that error and nothing worse; give its message."""
    outcome = run(*arguments, "--json", prefix=prefix)
    assert outcome.status == status, outcome
    assert outcome.code == code, outcome
    assert "Traceback" not in outcome.stderr, outcome
    return outcome.message


def create(database: Path, repository: Path, *options: object, prefix: Sequence[str] = ()) -> Any:
    """`checkpoint create`; the report."""
    return succeed("checkpoint", "create", "--db-path", database, "--path", repository, *options, prefix=prefix)


def verify(repository: Path) -> Any:
    """`checkpoint verify` of all; the report."""
    return succeed("checkpoint", "verify", "--path", repository)


def backups(repository: Path) -> Any:
    """`checkpoint list`; the backups."""
    return succeed("checkpoint", "list", "--path", repository)["backups"]


def restore(repository: Path, database: Path, *options: object, prefix: Sequence[str] = ()) -> Any:
    """`restore`; the report."""
    return succeed("restore", "--db-checkpoint-path", repository, "--db-path", database, *options, prefix=prefix)
