"""A small database and two backups of it that tests may forge."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.snapshot.model import SnapshotRequest
from workload import shapes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`db` and `repo` with backups 1 and 2."""
    folder = tmp_path_factory.mktemp("original")
    shapes.tables(folder / "db", 256 << 10, file_size=128 << 10, format_version=5)
    for _ in range(2):
        create_backup(
            Files(),
            CreateRequest(SnapshotRequest(folder / "db"), folder / "repo", mode=TransferMode.COPY),
        )
    return folder


@pytest.fixture
def place(original: Path, tmp_path: Path) -> Path:
    """A copy of both, and `outside`, a folder with what an attacker would like to reach."""
    for name in ("db", "repo"):
        shutil.copytree(original / name, tmp_path / name)
    make_outside(tmp_path / "outside")
    return tmp_path


def make_outside(outside: Path) -> Path:
    """Names that every part of a repository could take for its own."""
    for folder in ("1", "2", "99", "12345-abcd", "scratch", "staging", "manifests", "pins"):
        (outside / folder).mkdir(parents=True)
        (outside / folder / "precious").write_text("precious")
    for name in ("1", "7", "000123_sAB_8.sst", "precious", "runs", "lock", "CURRENT"):
        path = outside / name
        if not path.is_dir():
            path.write_text("precious")
    return outside
