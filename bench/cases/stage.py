"""What the contests of one database share: where it is, its repositories, how a result is checked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import xxhash

from bench import ours
from bench.contest import Aim
from bench.databases import Workspace, data_files, remove
from bench.measure import Cache, CommandFailed, Run
from bench.peers.coreutils import link_tree

if TYPE_CHECKING:
    from pathlib import Path

    from bench.peers.engine import Engine

__all__ = ["ENGINE1", "ENGINE2", "OURS", "OURS_COPY", "Aim", "Cache", "Run", "Stage", "timed_as"]

OURS = "walrus-fast"
OURS_COPY = "walrus-fast, copying"
ENGINE1 = "BackupEngine, 1 thread"
ENGINE2 = "BackupEngine, 2 threads"


@dataclass(frozen=True, slots=True)
class Stage:
    """`name` says what is in the database at `database`; everything lies below `work`."""

    name: str
    database: Path
    work: Workspace
    engine: Engine

    @property
    def our_base(self) -> Path:
        """A repository of ours with one backup of the database."""
        return self.work / f"{self.name}-ours"

    @property
    def engine_base(self) -> Path:
        """A repository of the engine's with one backup of the database."""
        return self.work / f"{self.name}-engine"

    @property
    def target(self) -> Path:
        """Where a contender puts its result; removed before and after."""
        return self.work / "result"

    def make_bases(self, *, with_engine: bool = True) -> None:
        """Make both repositories; not on the clock."""
        remove(self.our_base, self.engine_base)
        ours.create(self.database, self.our_base)
        if with_engine:
            self.engine.backup(self.database, self.engine_base, 2)

    def clear(self) -> None:
        """Nothing is where results go."""
        remove(self.target)

    def from_base(self, base: Path) -> None:
        """A second copy of a repository: other names for the same files, which no backup ever writes to."""
        self.clear()
        link_tree(base, self.target)

    def close(self) -> None:
        """Remove the database and its repositories."""
        remove(self.database, self.our_base, self.engine_base, self.target)

    def check_our_backup(self, run: Run) -> None:
        """Every byte of the newest backup, by our own verification, and the files by their number."""
        self._check_count(run.report.get("files"))
        ours.verify(self.target)

    def check_engine_backup(self, run: Run) -> None:
        """The same by the engine's verification."""
        backup_id = run.report["id"]
        if not isinstance(backup_id, int):
            raise CommandFailed(f"no backup id: {run.report}")
        self.engine.verify(self.target, 2, backup_id)
        self._check_count(len((self.target / "meta" / str(backup_id)).read_text().splitlines()) - 3)

    def _check_count(self, found: object) -> None:
        data = len(data_files(self.database))
        # CURRENT, MANIFEST, OPTIONS and perhaps a WAL are the files of a backup that are not data.
        if not isinstance(found, int) or not data + 2 <= found <= data + 5:
            raise CommandFailed(f"{self.database} has {data} data files, the backup {found} files")

    def check_names(self, run: Run) -> None:  # noqa: ARG002  (a check is given its run)
        """Names and sizes of what was copied or linked, against the database."""
        if data_files(self.target) != data_files(self.database):
            raise CommandFailed(f"{self.target} does not have the files of {self.database}")

    def check_contents(self, run: Run) -> None:
        """Every byte of every table and blob file against the database."""
        self.check_names(run)
        if not (self.target / "CURRENT").exists():
            raise CommandFailed(f"{self.target} has no CURRENT")
        names = sorted(data_files(self.target))
        with ThreadPoolExecutor(2) as threads:
            restored = threads.map(_digest, (self.target / name for name in names))
            original = threads.map(_digest, (self.database / name for name in names))
            for name, one, other in zip(names, restored, original, strict=True):
                if one != other:
                    raise CommandFailed(f"{name} was not restored as it was")


def timed_as(run: Run, field: str) -> Run:
    """The run with one of the figures of its report as the operation's seconds."""
    seconds = run.report[field]
    if not isinstance(seconds, float):
        raise CommandFailed(f"{field} is not in {run.report}")
    return replace(run, seconds=seconds)


def _digest(path: Path) -> bytes:
    state, buffer = xxhash.xxh3_128(), memoryview(bytearray(1 << 20))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            state.update(buffer[:count])
    return state.digest()
