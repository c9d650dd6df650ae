"""RocksDB's BackupEngine and Checkpoint, through engine.cc, which is compiled here when it is not yet."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.measure import Run, run_command

__all__ = ["Engine"]

_SOURCE = Path(__file__).with_name("engine.cc")


class Engine:
    """The compiled peer. Every method runs a process of its own; `Run.seconds` is the operation alone."""

    def __init__(self, build_folder: Path) -> None:
        """Raises: CommandFailed without g++ or librocksdb-dev."""
        build_folder.mkdir(parents=True, exist_ok=True)
        version = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]
        self._program = build_folder / f"engine-{version}"
        if not self._program.exists():
            partial = self._program.with_suffix(".new")
            run_command(["g++", "-std=c++17", "-O2", "-Wall", "-Wextra", _SOURCE, "-o", partial, "-lrocksdb"])
            partial.rename(self._program)

    def backup(self, database: Path, repository: Path, threads: int) -> Run:
        """`CreateNewBackup`, with `sync` and the other defaults."""
        return self._run("backup", database, repository, threads)

    def backup_command(self, database: Path, repository: str, threads: int) -> list[str]:
        """The command that `backup` runs."""
        return [str(self._program), "backup", str(database), repository, str(threads)]

    def verify(self, repository: Path, threads: int, backup_id: int = 1) -> Run:
        """`VerifyBackup` with checksums. Raises: CommandFailed when the backup is damaged."""
        return self._run("verify", repository, backup_id, threads)

    def restore(self, repository: Path, target: Path, threads: int, backup_id: int = 1) -> Run:
        """`RestoreDBFromBackup`."""
        return self._run("restore", repository, backup_id, target, threads)

    def checkpoint(self, database: Path, target: Path) -> Run:
        """`Checkpoint::CreateCheckpoint`: hard links, no checksums."""
        return self._run("checkpoint", database, target)

    def fill(self, database: Path, files: int, first: int = 0) -> Run:
        """Add table files with one key each."""
        return self._run("fill", database, files, first)

    def _run(self, *words: str | int | Path) -> Run:
        return run_command([self._program, *map(str, words)], parse=True)
