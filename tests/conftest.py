"""What every test may use: a seed that is printed, tools that may be missing, ready-made databases."""

from __future__ import annotations

import os
import random
import shutil
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.file_systems import MountedFolders
from tests.support.databases import Template, build_templates

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

SEED_VARIABLE = "WALRUS_FAST_SEED"

# Whoever runs the tests in the background has SIGINT ignored, and so would every program that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that cannot run has not passed: what it needs must be installed there."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must not be skipped in CI: {reason}"
    return report


@pytest.fixture
def seed() -> int:
    """The seed of a random test: of the environment, or a fresh one. Shown when the test fails."""
    given = os.environ.get(SEED_VARIABLE)
    chosen = int(given) if given else random.SystemRandom().randrange(1 << 32)
    print(f"{SEED_VARIABLE}={chosen}")
    return chosen


@pytest.fixture
def randomness(seed: int) -> random.Random:
    """Numbers that follow from `seed`."""
    return random.Random(seed)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """Databases by name; built once, never changed. See `tests.support.databases`."""
    return build_templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture
def copy_of(templates: dict[str, Template]) -> Callable[[str, Path], Path]:
    """A function that puts a copy of a template somewhere."""

    def copy(name: str, target: Path) -> Path:
        shutil.copytree(templates[name].folder, target)
        return target

    return copy


@pytest.fixture
def database(copy_of: Callable[[str, Path], Path], tmp_path: Path) -> Path:
    """A database of some MB as a killed writer left it: tables, blob files, several WALs."""
    return copy_of("killed", tmp_path / "db")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Where a repository may be made."""
    return tmp_path / "repo"


@pytest.fixture(scope="session")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MountedFolders]:
    """A function that gives a fresh folder on a file system of a kind: ext4, xfs, btrfs, no-links, plain."""
    with ExitStack() as stack:
        yield MountedFolders(tmp_path_factory.mktemp("mounted"), stack)


@pytest.fixture
def closes_descriptors() -> Iterator[None]:
    """Code of ours that runs in this process closes what it opens."""
    before = _descriptors()
    yield
    left = {fd: name for fd, name in _descriptors().items() if before.get(fd) != name}
    assert not left, f"left open: {left}"


def _descriptors() -> dict[str, str]:
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue  # the one that listed the folder
    return found


def _tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (tests/packages.sh names its package)")
    return found


@pytest.fixture(scope="session")
def ldb() -> str:
    """RocksDB's own tool."""
    return _tool("ldb")


@pytest.fixture(scope="session")
def strace() -> str:
    """The tracer of system calls."""
    return _tool("strace")


@pytest.fixture
def root() -> None:
    """Skips where we are not root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture(scope="session")
def unprivileged() -> list[str]:
    """What to put before a command so that permissions count for it, root or not.

    Not another uid: a user who is nobody may not get at the interpreter in root's home.
    """
    if os.geteuid() != 0:
        return []
    return [_tool("setpriv"), "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--"]
