"""Create, delete and prune, and then a power cut at any moment: what is listed is whole, what was there is not lost."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.exchange.scene import state_of
from tests.support.power_cut import SAMPLES, cuts, record
from walrus_fast.errors import RepositoryError
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.repository.layout import open_repository

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.faults.stage import Stage
    from tests.file_systems import MountedFolders

pytestmark = pytest.mark.usefixtures("strace")


def ids_of(stage: Stage) -> set[int]:
    try:
        open_repository(Files(), stage.repository)
    except RepositoryError:
        return set()
    return set(stage.ids)


def sweep_repository(
    stage: Stage, arguments: list[object], randomness: random.Random, samples: int, *, gone: set[int], ldb: str
) -> None:
    """`gone` are the backups that the run deletes; it may add one."""
    before = set(stage.ids) if (stage.repository / "meta").exists() else set()
    database = state_of(stage.database)
    disk = record(stage.folder, arguments)
    seen: dict[str, int] = {}
    for cut in cuts(disk, randomness, samples):
        cut.make(disk, randomness)
        ids = ids_of(stage)
        seen[str(sorted(ids))] = seen.get(str(sorted(ids)), 0) + 1
        assert before - gone <= ids, cut
        if cut.time == disk.time:
            assert not ids & gone, cut
            assert gone or len(ids - before) == 1, f"{cut}: reported as made, and lost"
        assert state_of(stage.database) == database, cut
        if ids:
            stage.assert_every_listed_backup_is_whole()
        if ids and (samples == 0 or cut.time == disk.time):
            command = [ldb, "restore", f"--backup_dir={stage.repository}", f"--db={stage.folder / 'by-ldb'}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, (cut, done)
            shutil.rmtree(stage.folder / "by-ldb")
        stage.create(Files(), TransferMode.AUTO)
        stage.assert_every_listed_backup_is_whole()
        if cut.in_order:
            stage.assert_nothing_is_left_over()
        shutil.rmtree(stage.folder)
    print(f"{sum(seen.values())} cuts in {disk.time} calls, {len(disk.sync_times)} fsyncs; backups left: {seen}")


def create(stage: Stage, *options: object) -> list[object]:
    return ["checkpoint", "create", "--db-path", stage.database, "--path", stage.repository, *options]


@SAMPLES
@pytest.mark.parametrize("mode", ["auto", "copy", "reflink"])
def test_create(
    original: Stage,
    mounted: MountedFolders,
    tmp_path: Path,
    mode: str,
    samples: int,
    randomness: random.Random,
    ldb: str,
) -> None:
    stage = original.copy_to((mounted("xfs") if mode == "reflink" else tmp_path) / "stage")
    sweep_repository(stage, create(stage, "--transfer-mode", mode), randomness, samples, gone=set(), ldb=ldb)


@SAMPLES
def test_the_first_create(original: Stage, tmp_path: Path, samples: int, randomness: random.Random, ldb: str) -> None:
    stage = original.copy_to(tmp_path / "stage")
    shutil.rmtree(stage.repository)
    sweep_repository(stage, create(stage), randomness, samples, gone=set(), ldb=ldb)


@SAMPLES
def test_delete(original: Stage, tmp_path: Path, samples: int, randomness: random.Random, ldb: str) -> None:
    stage = original.copy_to(tmp_path / "stage")
    arguments = ["checkpoint", "delete", "--path", stage.repository, "--checkpoint-id", 1]
    sweep_repository(stage, arguments, randomness, samples, gone={1}, ldb=ldb)


@SAMPLES
def test_prune(original: Stage, tmp_path: Path, samples: int, randomness: random.Random, ldb: str) -> None:
    stage = original.copy_to(tmp_path / "stage")
    stage.create(Files(), TransferMode.COPY)
    arguments = ["checkpoint", "prune", "--path", stage.repository, "--keep", 1]
    sweep_repository(stage, arguments, randomness, samples, gone={1, 2}, ldb=ldb)


def test_a_durable_backup_reuses_files_that_were_never_synced(
    original: Stage, tmp_path: Path, randomness: random.Random
) -> None:
    """What `create --no-sync` has brought in is not on the disk yet; the next backup promises that it is."""
    stage = original.copy_to(tmp_path / "stage")
    shutil.rmtree(stage.repository)
    disk = record(stage.folder, create(stage, "--no-sync", "--transfer-mode", "copy"), create(stage))
    for cut in cuts(disk, randomness, 20):
        cut.make(disk, randomness)
        if 2 in ids_of(stage):
            assert not verify_backups(Files(), stage.repository, ids=[2]).damaged, cut
        else:
            assert cut.time < disk.time, f"{cut}: reported as made, and lost"
        shutil.rmtree(stage.folder)
