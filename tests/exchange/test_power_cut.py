"""Restore and undo, and then a power cut at any moment: one of the two databases is there, and the other not lost."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.exchange.scene import Scene, copy_scene
from tests.exchange.test_interrupted import IN_PLACE, ORDINARY, SEPARATE_WALS, verdict
from tests.support.command import run
from tests.support.power_cut import SAMPLES, cuts, record
from walrus_fast.files import Files
from walrus_fast.operations.restore.restore import restore_backup
from walrus_fast.operations.restore.undo import undo_restore

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("strace", "root")


@contextmanager
def mounted(scene: Scene, way: str) -> Iterator[None]:
    """The database is a mount point meanwhile, when the way is in place."""
    if way == IN_PLACE:
        subprocess.run(["mount", "--bind", scene.database, scene.database], check=True)
    try:
        yield
    finally:
        if way == IN_PLACE:
            subprocess.run(["umount", scene.database], check=True)


def all_of(scene: Scene) -> set[tuple[str, bytes]]:
    """Every file outside the repository, wherever it is."""
    kept = [path for path in scene.folder.rglob("*") if path.is_file() and scene.repository not in path.parents]
    return {(path.name, path.read_bytes()) for path in kept}


def sweep_database(
    scene: Scene,
    arguments: list[object],
    way: str,
    randomness: random.Random,
    samples: int,
    *,
    last: str,
    again: Callable[[Scene], object],
) -> None:
    """`last` says which database is there after the run, `again` does what it did."""
    disk = record(scene.folder, arguments, mounts=mounted(scene, way))
    seen: dict[str, int] = {}
    for cut in cuts(disk, randomness, samples):
        cut.make(disk, randomness)
        here = verdict(scene, way)
        seen[here] = seen.get(here, 0) + 1
        if cut.time == disk.time:
            assert here == last, f"{cut}: reported as done, and lost"
        with mounted(scene, way):
            again(scene)
        assert verdict(scene, way) == last, cut
        assert set(scene.old.items()) <= all_of(scene), f"{cut}: the old database is not all there any more"
        shutil.rmtree(scene.folder)
    print(f"{sum(seen.values())} cuts in {disk.time} calls, {len(disk.sync_times)} fsyncs; databases left: {seen}")


def restore_arguments(scene: Scene, way: str, *options: object) -> list[object]:
    wal_dir = ["--wal-dir", scene.wal_dir] if way == SEPARATE_WALS else []
    places = ["--db-checkpoint-path", scene.repository, "--db-path", scene.database]
    return ["restore", "--no-open", *places, *wal_dir, *options]


def restore_again(way: str) -> Callable[[Scene], object]:
    return lambda scene: restore_backup(Files(), scene.request(separate_wals=way == SEPARATE_WALS, open_first=False))


@SAMPLES
@pytest.mark.parametrize("mode", ["auto", "copy"])
@pytest.mark.parametrize("way", [ORDINARY, SEPARATE_WALS, IN_PLACE])
def test_restore(original: Scene, tmp_path: Path, way: str, mode: str, samples: int, randomness: random.Random) -> None:
    scene = copy_scene(original, tmp_path / "scene", separate_wals=way == SEPARATE_WALS)
    arguments = restore_arguments(scene, way, "--transfer-mode", mode)
    sweep_database(scene, arguments, way, randomness, samples, last="new", again=restore_again(way))


@SAMPLES
@pytest.mark.parametrize("way", [ORDINARY, SEPARATE_WALS, IN_PLACE])
def test_undo(original: Scene, tmp_path: Path, way: str, samples: int, randomness: random.Random) -> None:
    scene = copy_scene(original, tmp_path / "scene", separate_wals=way == SEPARATE_WALS)
    with mounted(scene, way):
        assert run(*restore_arguments(scene, way)).status == 0

    def again(scene: Scene) -> None:
        if verdict(scene, way) != "old":
            undo_restore(Files(), scene.database)

    arguments: list[object] = ["restore", "--undo", "--db-path", scene.database]
    sweep_database(scene, arguments, way, randomness, samples, last="old", again=again)
