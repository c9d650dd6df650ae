"""RocksDB's own BackupEngine, compiled here, and databases whose every key is known."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.engine.engine import Engine

HERE = Path(__file__).parent


def compiled(source: str, folder: Path) -> Path:
    """The program of a C++ file beside this one, linked with librocksdb."""
    compiler = shutil.which("g++")
    if compiler is None or not Path("/usr/include/rocksdb/utilities/backup_engine.h").exists():
        pytest.skip("g++ or librocksdb-dev is not installed (tests/packages.sh names them)")
    program = folder / source.removesuffix(".cc")
    command = [compiler, "-std=c++17", "-O1", "-Wall", "-Wextra", str(HERE / source), "-o", str(program), "-lrocksdb"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """BackupEngine with all its options."""
    return Engine(compiled("engine.cc", tmp_path_factory.mktemp("engine")))


@pytest.fixture(scope="session")
def transactions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that leaves a prepared transaction, or commits it."""
    return compiled("transactions.cc", tmp_path_factory.mktemp("transactions"))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where `tests.engine.rows` may make a database."""
    return tmp_path / "db"
