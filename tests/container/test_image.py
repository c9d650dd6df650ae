"""The image: what is in it and what is not, and how its process 1 behaves. Built for real, so `make test-long`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.container.recipes import RECIPES, USER
from tests.server.node import wait_for
from walrus_fast.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.container.engine import Container, Engine

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

# 185 MB were measured over a base of 121 MB from debootstrap; the registry's bookworm-slim has 75 MB.
_LARGEST_ADDITION = 75_000_000


@pytest.fixture
def node(engine: Engine, database: Path, tmp_path: Path) -> Iterator[Container]:
    """A node over a database that nobody has open, with a database of some MB and a repository."""
    (tmp_path / "repo").mkdir()
    for path in (tmp_path / "repo", database, *database.iterdir()):
        os.chown(path, USER, USER)
    mounts = (f"-v={database}:/data/db:ro", f"-v={tmp_path}/repo:/backups")
    config = f"-v={RECIPES / 'node-config.yaml'}:/etc/walrus/node-config.yaml:ro"
    # No /tmp that could be written to: nothing of ours needs one for a database of this size.
    name = f"{engine.tag}-node"
    container = engine.start(name, options=("--read-only-tmpfs=false", "--tmpfs=/walrus", *mounts, config))
    try:
        container.wait_healthy()
        yield container
    finally:
        engine.remove(name)


def test_what_the_image_is(engine: Engine) -> None:
    found = engine.inspect_image()
    config = found["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["tini", "--", "walrus-node"]
    assert found["Size"] - engine.base_size() < _LARGEST_ADDITION
    assert VERSION in engine.run("--version")


def test_nothing_in_it_builds_or_installs(engine: Engine) -> None:
    programs, modules = ("gcc", "cc", "pip", "pip3", "make", "git", "curl"), ("pip", "setuptools", "ensurepip")
    look = (
        "import importlib.util, shutil\n"
        f"print('found', [name for name in {programs} if shutil.which(name)],"
        f" [name for name in {modules} if importlib.util.find_spec(name)], shutil.which('walrus-node'))"
    )
    assert "found [] [] /opt/walrus-fast/bin/walrus-node" in engine.run("-c", look, options=("--entrypoint=python",))


def test_sigterm_ends_it_in_order(node: Container) -> None:
    node.kill("TERM")
    assert node.wait() == 0
    assert '"message":"stopped"' in node.logs


def test_a_backup_is_proven_without_a_place_for_temporary_files(node: Container) -> None:
    node.admin("checkpoint", "create")
    done = node.admin("checkpoint", "verify", "--tier", "rows")
    assert done["state"] == "succeeded"


def test_process_1_reaps_what_a_killed_job_leaves(node: Container, zombies: Callable[[Container], list[str]]) -> None:
    node.admin("checkpoint", "create")
    node.admin("limits", "set", "--max-bytes-per-second=1MB")
    job = node.admin("checkpoint", "verify", "--tier", "rows", "--no-wait")["job_id"]
    wait_for(lambda: "walrus_fast.probe" in node.exec("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"), "RocksDB")
    # In brackets, so that the shell does not find itself.
    kill = "for p in /proc/[0-9]*; do grep -q '[s]erver.job_process' $p/cmdline && kill -9 ${p#/proc/}; done; true"
    node.exec("sh", "-c", kill)
    wait_for(lambda: node.admin("checkpoint", "status", "--job-id", job)["jobs"][0]["state"] == "failed", "its end")
    wait_for(lambda: zombies(node) == [], "the end of what it left")
    assert node.running


@pytest.fixture
def zombies() -> Callable[[Container], list[str]]:
    """Lists the processes that have ended and that nobody has asked after."""

    def find(container: Container) -> list[str]:
        lines = container.exec("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null; true").splitlines()
        return [line for line in lines if line.rpartition(") ")[2].startswith("Z")]

    return find
