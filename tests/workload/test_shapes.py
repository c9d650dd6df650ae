"""The static databases have the promised size, files and format."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from workload.shapes import blobs, tables, touch

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20


def files(folder: Path, suffix: str) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.glob(f"*.{suffix}")}


def test_tables(tmp_path: Path) -> None:
    tables(tmp_path / "db", 24 * MIB, seed=3, file_size=2 * MIB)
    sizes = files(tmp_path / "db", "sst")
    assert 24 * MIB <= sum(sizes.values()) < 26 * MIB
    assert len(sizes) == 12
    assert not files(tmp_path / "db", "blob")
    assert sum(files(tmp_path / "db", "log").values()) == 0


def test_blobs(tmp_path: Path) -> None:
    blobs(tmp_path / "db", 24 * MIB, blob_file_size=4 * MIB)
    sizes = files(tmp_path / "db", "blob")
    assert 24 * MIB <= sum(sizes.values()) < 25 * MIB
    assert len(sizes) == 6
    assert sum(files(tmp_path / "db", "sst").values()) < MIB


@pytest.mark.parametrize("suffix", ["sst", "blob"])
def test_touch_adds_a_few_files_and_leaves_the_others(tmp_path: Path, suffix: str) -> None:
    build = tables if suffix == "sst" else blobs
    build(tmp_path / "db", 16 * MIB, 2 * MIB)
    before = files(tmp_path / "db", suffix)
    assert touch(tmp_path / "db", 0.02).touched == 1
    after = files(tmp_path / "db", suffix)
    assert before.items() <= after.items()
    new = sum(after.values()) - sum(before.values())
    assert 0.01 * 16 * MIB < new < 0.03 * 16 * MIB
    assert touch(tmp_path / "db", 0.02).touched == 2


def test_a_shape_is_not_built_over_another(tmp_path: Path) -> None:
    tables(tmp_path / "db", MIB)
    with pytest.raises(RuntimeError, match="is a database already"):
        tables(tmp_path / "db", MIB)


@pytest.mark.skipif(shutil.which("ldb") is None, reason="needs RocksDB's ldb")
@pytest.mark.parametrize("build", [tables, blobs])
def test_rocksdb_7_8_opens_format_version_5(tmp_path: Path, build: type) -> None:
    build(tmp_path / "db", 2 * MIB, format_version=5)
    command = ["ldb", f"--db={tmp_path / 'db'}", "--try_load_options=false", "scan", "--max_keys=1"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    assert done.stdout.startswith("000000000000 : 0.0:"), done.stderr
