"""Runs the compiled BackupEngine (engine.cc)."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Engine:
    """Every call is a process of its own. A failure is an AssertionError, except where it is asked for."""

    program: Path

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """The outcome of any command, whatever it is."""
        command = [str(self.program), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def succeed(self, *words: object) -> str:
        """What a command prints that must succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done
        return done.stdout

    def backup(self, database: Path, repository: Path, *options: str) -> None:
        """`CreateNewBackupWithMetadata`."""
        self.succeed("backup", repository, database, *options)

    def restore(self, repository: Path, target: Path, backup_id: int = 0, *, keep_log_files: bool = False) -> None:
        """`RestoreDBFromBackup`, of the latest one when the id is 0."""
        self.succeed("restore", repository, backup_id, target, *(["keep"] if keep_log_files else []))

    def backups(self, repository: Path) -> dict[int, str]:
        """What it lists: id to application metadata in hexadecimal, or "corrupt"."""
        lines = [line.split(" ") for line in self.succeed("list", repository).splitlines()]
        return {int(words[0]): words[-1] for words in lines}

    def verifies(self, repository: Path, backup_id: int) -> bool:
        """`VerifyBackup` with checksums."""
        return self.run("verify", repository, backup_id).returncode == 0
