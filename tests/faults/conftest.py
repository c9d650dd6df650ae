"""A database, and a repository with two backups of earlier states of it: made once, copied for each fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.stage import Stage
from walrus_fast.files import Files
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.snapshot.model import SnapshotRequest
from workload.driver import running_writer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    stage = Stage(tmp_path_factory.mktemp("original"))
    for steps in (300, 500, 800):
        with running_writer(
            stage.database, seed=6, steps=steps, value_scale=0.05, memtable_size=64 << 10, resume=steps > 300
        ) as writer:
            writer.wait()
        if steps < 800:
            create_backup(Files(), CreateRequest(SnapshotRequest(stage.database), stage.repository))
    return stage


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the copies of one test go, one after the other."""
    return tmp_path / "stage"
