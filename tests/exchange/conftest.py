"""A small database and a backup of an earlier state of it, made once and copied for each test."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.exchange.scene import Scene, copy_scene, state_of
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.create import CreateRequest, create_backup
from walrus_fast.operations.restore import RestoreRequest, restore_backup
from walrus_fast.snapshot.model import SnapshotRequest
from workload.driver import running_writer

if TYPE_CHECKING:
    from pathlib import Path

SEED = 4


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("original")
    scene = Scene(folder, {}, {})
    with running_writer(scene.database, seed=SEED, steps=300, value_scale=0.05, memtable_size=64 << 10) as writer:
        writer.wait()
    create_backup(Files(), CreateRequest(SnapshotRequest(scene.database), scene.repository, mode=TransferMode.COPY))
    with running_writer(
        scene.database, seed=SEED, steps=900, value_scale=0.05, memtable_size=64 << 10, resume=True
    ) as writer:
        writer.wait()
    (scene.database / "operators-notes.txt").write_text("not RocksDB's")
    (scene.database / "foreign").mkdir()
    (scene.database / "foreign" / "file").write_text("nor this")
    clean = folder / "clean"
    restore_backup(Files(), RestoreRequest(scene.repository, clean))
    new = state_of(clean)
    shutil.rmtree(clean)
    return Scene(folder, state_of(scene.database), new)


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for one test."""
    return copy_scene(original, tmp_path / "scene")
