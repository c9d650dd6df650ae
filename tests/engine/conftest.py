"""RocksDB's own BackupEngine, compiled here, and databases whose every key is known."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.engine.engine import Engine

SOURCE = Path(__file__).with_name("engine.cc")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """BackupEngine with all its options, through librocksdb."""
    compiler = shutil.which("g++")
    if compiler is None or not Path("/usr/include/rocksdb/utilities/backup_engine.h").exists():
        pytest.skip("g++ or librocksdb-dev is not installed (tests/packages.sh names them)")
    program = tmp_path_factory.mktemp("engine") / "engine"
    command = [compiler, "-std=c++17", "-O1", "-Wall", "-Wextra", str(SOURCE), "-o", str(program), "-lrocksdb"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return Engine(program)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where `tests.engine.rows` may make a database."""
    return tmp_path / "db"
