"""What the owner feels: db_bench works on a database while backups of it are made, one after another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cases.stage import Cache, Run
from bench.contest import Contender, Contest
from bench.databases import remove
from bench.measure import CommandFailed
from bench.peers import db_bench

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.databases import Workspace
    from bench.peers.engine import Engine

__all__ = ["ALONE", "OwnerStage", "owner"]

ALONE = "nothing"
_CREATE = (str(Path(sys.executable).with_name("walrus-node")), "checkpoint", "create")
_REPOSITORY = "a new folder each time"
_FIXED = "100MB"
_SECONDS = 12
_HEAD_START = 1.0  # seconds in which the owner opens its database
_ROOM = 4  # databases: what must stay free on the disk when another copy begins

_NOTE = (
    "The owner is db_bench `readwhilewriting`: two threads read at random, directly from the disk, one writes "
    f"200 values a second and waits for each to be durable, for {_SECONDS} s a run. Beside it backups are made "
    "one after another, each the first in an empty repository on the database's disk. BackupEngine cannot open "
    "a database that another process owns, and a read-only or secondary instance refuses to stop file "
    "deletions, which it needs: it backs up a RocksDB Checkpoint of the database that was made before the run, "
    "the same files by hard links, without what making it costs the owner. The owner runs in a cgroup of its "
    "own where we may make one; there `auto` goes by its pressure, elsewhere by the host's."
)


@dataclass(frozen=True, slots=True)
class OwnerStage:
    """The database as built, `base`, is never opened again for writing; each run owns a checkpoint of it."""

    work: Workspace
    engine: Engine
    size: int

    @property
    def base(self) -> Path:
        """The database as it was built."""
        return self.work / "owner-base"

    @property
    def database(self) -> Path:
        """What the owner works on."""
        return self.work / "owner"

    @property
    def frozen(self) -> Path:
        """What BackupEngine backs up."""
        return self.work / "owner-frozen"

    @property
    def results(self) -> Path:
        """A repository for each backup."""
        return self.work / "owner-results"

    def build(self) -> None:
        """Build the database; not on the clock."""
        self.close()
        db_bench.build(self.base, self.size)

    def prepare(self) -> None:
        """A fresh database for the owner, and one for the engine."""
        self.clear()
        self.results.mkdir()
        self.engine.checkpoint(self.base, self.database)
        self.engine.checkpoint(self.base, self.frozen)

    def clear(self) -> None:
        """Remove what a run used."""
        remove(self.database, self.frozen, self.results)

    def close(self) -> None:
        """Remove everything."""
        self.clear()
        remove(self.base)


def owner(stage: OwnerStage, cache: Cache) -> Contest:
    """Contenders are what goes on beside the owner; the figures are the owner's."""

    def ours(*options: str) -> list[str]:
        return [*_CREATE, "--db-path", str(stage.database), *options, "--path", _REPOSITORY]

    copying = ("--transfer-mode", "copy")
    backups: dict[str, Sequence[str]] = {
        ALONE: (),
        "walrus-fast, linking": ours(),
        "walrus-fast, linking, auto": ours("--max-bytes-per-second", "auto"),
        "walrus-fast, copying": ours(*copying),
        f"walrus-fast, copying, {_FIXED}/s": ours(*copying, "--max-bytes-per-second", _FIXED),
        "walrus-fast, copying, auto": ours(*copying, "--max-bytes-per-second", "auto"),
        "BackupEngine, 2 threads, of a Checkpoint": stage.engine.backup_command(stage.frozen, _REPOSITORY, 2),
    }

    def contender(name: str, command: Sequence[str]) -> Contender:
        return Contender(name, lambda: _beside(stage, command), stage.prepare, clean=stage.clear)

    return Contest(
        key="owner",
        title="What the owner feels of a backup",
        contenders=[contender(name, command) for name, command in backups.items()],
        cache=cache,
        note=_NOTE,
    )


def _beside(stage: OwnerStage, command: Sequence[str]) -> Run:
    load, output = os.getloadavg()[0], stage.results / "owner.txt"
    with db_bench.own_group() as group:
        process = db_bench.start_owner(stage.database, stage.size, _SECONDS, output, group)
        try:
            started = time.perf_counter()
            time.sleep(_HEAD_START)
            backups = _one_after_another(stage, command, process) if command else 0
            process.wait(_SECONDS + 60)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    wall = time.perf_counter() - started
    report = db_bench.owner_figures(output) | {"backups": float(backups)}
    return Run(wall, None, 0, report, load)


def _one_after_another(stage: OwnerStage, command: Sequence[str], process: subprocess.Popen[bytes]) -> int:
    """Backups until the owner ends; how many were finished by then. The last one is told to stop."""
    finished = number = 0
    while process.poll() is None and _has_room(stage):
        number += 1
        words = [str(stage.results / str(number)) if word == _REPOSITORY else word for word in command]
        with (stage.results / f"{number}.txt").open("wb") as said:
            backup = subprocess.Popen(words, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        while process.poll() is None and backup.poll() is None:
            time.sleep(0.02)
        if backup.poll() is None:
            backup.send_signal(signal.SIGINT)
            backup.wait(60)
        elif backup.returncode:
            text = (stage.results / f"{number}.txt").read_text(errors="replace")
            raise CommandFailed(f"{' '.join(words)}: status {backup.returncode}: {text[-2000:]}")
        else:
            finished += 1
    return finished


def _has_room(stage: OwnerStage) -> bool:
    found = os.statvfs(stage.results)
    return found.f_bavail * found.f_frsize > _ROOM * stage.size
