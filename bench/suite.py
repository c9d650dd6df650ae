"""The whole suite in order: each database is built, measured, changed, measured again, removed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.cases import create, manifest, many_files, native, other_disk, owner, read, restore, start
from bench.cases.stage import Cache, Stage
from bench.contest import Contest, Outcome, hold
from bench.databases import Workspace, build_blobs, build_files, build_tables, change, remove
from bench.machine import this_machine, this_source
from bench.measure import can_drop_caches
from bench.peers.engine import Engine
from bench.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["Settings", "run_suite"]

# The engine syncs every file: a first backup of 100,000 would take it minutes a round.
_ENGINE_FILES_UP_TO = 10_000
_MANIFEST_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """`scale` in GB for each of the two large databases; `only` are beginnings of contest keys."""

    scale: float
    files: int
    rounds: int
    work: Path
    only: tuple[str, ...] = ()


def run_suite(settings: Settings, build_folder: Path, keep: Callable[[Results], object]) -> Results:
    """Hold every contest that was asked for; `keep` is given the results after each. The work folder is empty then."""
    settings.work.mkdir(parents=True, exist_ok=True)
    machine, source = this_machine(settings.work), this_source()
    measured = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    outcomes: list[Outcome] = []
    results = Results(
        measured=measured,
        machine=machine,
        source=source,
        settings={"scale": settings.scale, "files": settings.files, "rounds": settings.rounds},
        outcomes=outcomes,
    )

    def took_place(outcome: Outcome) -> None:
        outcomes.append(outcome)
        keep(results)

    _Suite(settings, Engine(build_folder), took_place).run()
    return results


class _Suite:
    def __init__(self, settings: Settings, engine: Engine, keep: Callable[[Outcome], None]) -> None:
        self._settings = settings
        self._engine = engine
        self._work = Workspace(settings.work)
        self._keep = keep

    def run(self) -> None:
        self._hold([start.start()], rounds=max(11, self._settings.rounds))
        self._native()
        self._manifest()
        self._owner()
        self._large("tables", build_tables)
        self._large("blobs", build_blobs)
        for count in sorted({1000, 10_000, self._settings.files}):
            self._many(count)

    def _wanted(self, *keys: str) -> bool:
        only = self._settings.only
        return not only or any(key.startswith(begin) or begin.startswith(key) for key in keys for begin in only)

    def _hold(self, contests: Iterable[Contest], rounds: int = 0) -> None:
        for contest in contests:
            if self._wanted(contest.key):
                self._keep(hold(contest, rounds or self._settings.rounds))

    def _stage(self, name: str, build: Callable[[Path], None]) -> Stage:
        stage = Stage(name, self._work / name, self._work, self._engine)
        stage.close()
        build(stage.database)
        return stage

    def _native(self) -> None:
        if self._wanted("native"):
            work = self._work / "native"
            remove(work)
            native.prepare(work)
            self._hold(native.contests(work))
            remove(work)

    def _manifest(self) -> None:
        if self._wanted("manifest"):
            folder, target = self._work / "manifest", self._work / "result"
            remove(folder, target)
            manifest.build_manifest(folder, _MANIFEST_BYTES)
            self._hold([manifest.replay(folder, target)])
            remove(folder, target)

    def _owner(self) -> None:
        if self._wanted("owner"):
            stage = owner.OwnerStage(self._work, self._engine, int(self._settings.scale * 1e9))
            stage.build()
            try:
                self._hold([owner.owner(stage, Cache.COLD if can_drop_caches() else Cache.WARM)])
            finally:
                stage.close()

    def _large(self, name: str, build: Callable[[Path, int], None]) -> None:
        keys = [f"{case}-{name}" for case in ("first", "unchanged", "changed", "verify", "restore", "other")]
        if not self._wanted(*keys):
            return
        size = int(self._settings.scale * 1e9)
        caches = (Cache.WARM, Cache.COLD) if can_drop_caches() else (Cache.WARM,)
        stage = self._stage(name, lambda folder: build(folder, size))
        try:
            self._hold(create.first(stage, cache) for cache in caches)
            if self._wanted(keys[-1]):
                with other_disk.other_file_systems(self._work, 3 * size) as places:
                    self._hold(other_disk.copies(stage, place, folder) for place, folder in places.items())
            if self._wanted(*keys[1:-1]):
                stage.make_bases()
                self._hold([create.unchanged(stage)])
                self._hold(read.verify(stage, cache) for cache in caches)
                self._hold([restore.restore(stage)])
                if self._wanted(keys[2]):
                    change(stage.database)
                    self._hold(create.changed(stage, cache) for cache in caches)
        finally:
            stage.close()

    def _many(self, count: int) -> None:
        if not self._wanted(f"files-{count}"):
            return
        with_engine = count <= _ENGINE_FILES_UP_TO
        stage = self._stage(f"{count} files", lambda folder: build_files(self._engine, folder, count))
        try:
            self._hold([many_files.pinning(stage, count), many_files.backup(stage, count, with_engine=with_engine)])
            stage.make_bases(with_engine=with_engine)
            self._hold([many_files.unchanged(stage, count, with_engine=with_engine)])
            self._hold([many_files.listing(stage, count)])
            self._hold([many_files.verifying(stage, count, with_engine=with_engine)])
            self._hold([many_files.restoring(stage, count, with_engine=with_engine)])
        finally:
            stage.close()
            remove(self._work / "result")
