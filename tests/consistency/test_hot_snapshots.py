"""Snapshots of a database under full load: each must restore to an exact prefix of the writes.

The writer (`workload.writer`) flushes, compacts, garbage-collects blob files and rolls its WAL and MANIFEST without
pause; it fails its test when it notices anything. `make test-long` takes 200 snapshots in a row of each set-up.
"""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING

import pytest

from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.backup.create import CreateReport, CreateRequest, create_backup
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.restore.restore import RestoreRequest, restore_backup
from walrus_fast.snapshot.model import SnapshotRequest
from workload.driver import running_writer
from workload.prefix import check_in_subprocess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from workload.driver import RunningWriter, WriterOptions

SEED = int(os.environ.get("WALRUS_FAST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
SHORT, LONG = 6, 200
RATE = 6000.0  # steps a second: the memtables still turn over 20 times a second, and checking stays affordable

SETUPS: dict[str, WriterOptions] = {
    "plain": {"rate": RATE, "memtable_size": 256 << 10},
    "recycled-wals": {"rate": RATE, "memtable_size": 256 << 10, "recycle_logs": 4},
    "tiny-manifests": {"rate": RATE, "memtable_size": 256 << 10, "max_manifest_size": 4096, "families_churn": 400},
    "families-come-and-go": {"rate": RATE, "memtable_size": 512 << 10, "families_churn": 150, "recycle_logs": 4},
    "atomic-flush": {"rate": RATE, "memtable_size": 256 << 10, "atomic_flush": True, "manual_flush_every": 300},
    "archived-wals": {"rate": RATE, "memtable_size": 256 << 10, "wal_ttl": 3600},
}


class Interrupted(Files):
    """Lets the writer go on, for up to a few memtables, before any call that a snapshot makes."""

    def __init__(self, writer: RunningWriter, chance: random.Random) -> None:
        self._writer = writer
        self._chance = chance

    def _interrupt(self) -> None:
        if self._chance.random() < 0.08:
            self._writer.advance(self._chance.choice((1, 10, 60, 200)))

    def list_directory(self, path: Path | str) -> list[tuple[str, bool]]:
        self._interrupt()
        return super().list_directory(path)

    def list_names(self, path: Path | str, *, prefix: str = "", suffix: str = "") -> list[str]:
        self._interrupt()
        return super().list_names(path, prefix=prefix, suffix=suffix)

    def open_read(self, path: Path | str) -> int:
        self._interrupt()
        return super().open_read(path)

    def size_of(self, fd: int) -> int:
        self._interrupt()
        return super().size_of(fd)

    def copy_prefix(self, source_fd: int, target_fd: int, length: int) -> None:
        self._interrupt()
        super().copy_prefix(source_fd, target_fd, length)

    def stat_many(self, directory: int, names: Sequence[str]) -> list[tuple[int, int, int, int, int, int]]:
        self._interrupt()
        return super().stat_many(directory, names)

    def link_many(self, source: int, names: Sequence[str], target: int, to: Sequence[str]) -> list[int]:
        self._interrupt()
        return super().link_many(source, names, target, to)


class Station:
    """One database, its repository, and the way from a snapshot to a verdict."""

    def __init__(self, folder: Path, name: str) -> None:
        print(f"seed {SEED}")
        self.random = random.Random(f"{SEED} {name}")
        self.folder = folder
        self.database = folder / "db"
        self.repository = folder / "repository"
        self.files = Files()

    def snapshot(
        self,
        writer: RunningWriter,
        *,
        wal_dir: Path | None = None,
        data_dirs: tuple[Path, ...] = (),
        mode: TransferMode = TransferMode.AUTO,
        files: Files | None = None,
    ) -> CreateReport:
        """Back up at a random moment, restore, and require the exact state of a step within the bounds."""
        writer.advance(self.random.randrange(1, 2000))
        lower = writer.acknowledged
        request = CreateRequest(
            SnapshotRequest(self.database, data_dirs=data_dirs), self.repository, mode=mode, sync=False
        )
        report = create_backup(files or self.files, request)
        upper = writer.acknowledged + 1
        restored = self.folder / "restored"
        restore_backup(self.files, RestoreRequest(self.repository, restored, wal_dir=wal_dir, open_first=False))
        check_in_subprocess(
            restored,
            writer.seed,
            lower=lower,
            upper=upper,
            db_paths=((restored, 1 << 40),) * len(data_dirs),
        )
        shutil.rmtree(restored)
        if report.backup_id > 2:
            delete_backup(self.files, self.repository, report.backup_id - 2)
        writer.assert_alive()
        return report


def run(station: Station, count: int, options: WriterOptions) -> None:
    with running_writer(station.database, seed=station.random.randrange(1 << 30), **options) as writer:
        reports = [station.snapshot(writer) for _ in range(count)]
    rounds = sorted(report.rounds for report in reports)
    pins = sorted(report.pin_seconds * 1000 for report in reports)
    print(
        f"{count} snapshots exact; rounds: median {rounds[count // 2]}, most {rounds[-1]}; "
        f"pinned in: median {pins[count // 2]:.1f} ms, most {pins[-1]:.1f} ms"
    )


@pytest.mark.parametrize("name", SETUPS)
def test_every_snapshot_is_an_exact_prefix(name: str, tmp_path: Path) -> None:
    run(Station(tmp_path, name), SHORT, SETUPS[name])


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SETUPS)
def test_200_snapshots_in_a_row_are_exact_prefixes(name: str, tmp_path: Path) -> None:
    run(Station(tmp_path, name), LONG, SETUPS[name])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [SHORT, pytest.param(LONG, marks=pytest.mark.long)])
def test_wals_elsewhere(count: int, tmp_path: Path) -> None:
    station = Station(tmp_path, "wal-dir")
    wal_dir = tmp_path / "wals"
    options: WriterOptions = {"rate": RATE, "wal_dir": wal_dir, "memtable_size": 256 << 10, "recycle_logs": 4}
    with running_writer(station.database, seed=11, **options) as writer:
        for _ in range(count):
            station.snapshot(writer, wal_dir=tmp_path / "restored")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [SHORT, pytest.param(LONG, marks=pytest.mark.long)])
def test_files_in_several_data_folders(count: int, tmp_path: Path) -> None:
    station = Station(tmp_path, "db-paths")
    fast, slow = tmp_path / "fast", tmp_path / "slow"
    options: WriterOptions = {"rate": RATE, "db_paths": ((fast, 1 << 20), (slow, 1 << 30)), "memtable_size": 256 << 10}
    with running_writer(station.database, seed=12, **options) as writer:
        for _ in range(count):
            station.snapshot(writer, data_dirs=(fast, slow))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [SHORT, pytest.param(LONG, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ["plain", "recycled-wals", "tiny-manifests", "families-come-and-go"])
def test_the_writer_runs_on_between_any_two_calls(name: str, count: int, tmp_path: Path) -> None:
    """Files vanish, WALs switch and are overwritten, families come and go in the middle of a snapshot."""
    station = Station(tmp_path, f"interrupted {name}")
    rounds = []
    with running_writer(station.database, seed=15, **SETUPS[name]) as writer:
        files = Interrupted(writer, station.random)
        rounds = [station.snapshot(writer, files=files).rounds for _ in range(count)]
    print(f"{name}: rounds {rounds}")
    assert max(rounds) > 1, "no snapshot was disturbed: the test does not test"


def test_the_whole_load_without_a_rate(tmp_path: Path) -> None:
    station = Station(tmp_path, "full load")
    with running_writer(station.database, seed=13, memtable_size=256 << 10) as writer:
        for mode in (TransferMode.AUTO, TransferMode.COPY, TransferMode.AUTO):
            station.snapshot(writer, mode=mode)


def test_a_writer_killed_just_before(tmp_path: Path) -> None:
    """Nobody owns the database and its last WAL may end in half a record."""
    station = Station(tmp_path, "killed")
    with running_writer(station.database, seed=14, memtable_size=256 << 10) as writer:
        writer.advance(3000)
        last = writer.kill()
    create_backup(station.files, CreateRequest(SnapshotRequest(station.database), station.repository))
    restored = tmp_path / "restored"
    restore_backup(station.files, RestoreRequest(station.repository, restored))
    check_in_subprocess(restored, 14, lower=last, upper=last + 1)
