"""SIGKILL of `restore` at random moments: the old or the new database is there whole, and the next run cleans up."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.command import create, restore
from tests.support.databases import SEED, Template, check_killed
from tests.support.killing import kill_within, timed
from tests.support.untouched import siblings, untouched
from workload.prefix import check_in_subprocess

if TYPE_CHECKING:
    import random
    from pathlib import Path

MODES = {"auto": (), "copy": ("--transfer-mode", "copy", "--max-bytes-per-second", "60MB")}


@pytest.fixture
def newer(templates: dict[str, Template], tmp_path: Path) -> Path:
    """The database as it is when it is restored over: the killed one, which has gone on since the backup."""
    from workload.driver import running_writer

    shutil.copytree(templates["killed"].folder, tmp_path / "db")
    with running_writer(tmp_path / "db", seed=SEED, format_version=5, resume=True) as writer:
        writer.advance(200)
        writer.stop()
    return tmp_path / "db"


def kill_often(times: int, mode: str, old: Template, newer: Path, repository: Path, randomness: random.Random) -> None:
    create(old.folder, repository, "--transfer-mode", "copy")
    assert old.step is not None
    arguments = ("restore", "--db-checkpoint-path", repository, "--db-path", newer, *MODES[mode])
    pristine = shutil.copytree(newer, newer.parent / "pristine")
    seconds = timed(*arguments)
    killed = 0
    for _ in range(times):
        for path in newer.parent.glob("db*"):
            shutil.rmtree(path)
        shutil.copytree(pristine, newer)
        (newer / "rocksdict-config.json").touch()  # not RocksDB's: must be carried along, or stay
        with untouched(repository):
            killed += kill_within(1.1 * seconds, randomness, *arguments)
        # Opened as RocksDB would after the crash; a copy, so that the next run meets what the kill left.
        probe = shutil.copytree(newer, newer.parent / "probe")
        step = check_in_subprocess(probe, SEED).step
        shutil.rmtree(probe)
        assert step is not None
        is_old = step > old.step + 1
        assert is_old or step in (old.step, old.step + 1)
        # The one that was there before is not lost, whatever the moment.
        kept = list(newer.parent.glob("db.before-restore-*"))
        hidden = newer.parent / ".db.walrus-fast-restore" / "incoming"
        assert is_old or kept or hidden.exists()
        report = restore(repository, newer)
        assert report["previous"] is not None
        assert not siblings(newer)
        check_killed(newer, old)
    assert killed, "never hit"


@pytest.mark.parametrize("mode", MODES)
def test_ten_kills(
    mode: str, templates: dict[str, Template], newer: Path, repository: Path, randomness: random.Random
) -> None:
    kill_often(10 // len(MODES), mode, templates["killed"], newer, repository, randomness)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", MODES)
def test_a_hundred_kills(
    mode: str, templates: dict[str, Template], newer: Path, repository: Path, randomness: random.Random
) -> None:
    kill_often(100, mode, templates["killed"], newer, repository, randomness)


def test_a_kill_when_nothing_was_there_before(
    templates: dict[str, Template], tmp_path: Path, repository: Path, randomness: random.Random
) -> None:
    create(templates["killed"].folder, repository, "--transfer-mode", "copy")
    arguments = ("restore", "--db-checkpoint-path", repository, "--db-path", tmp_path / "db")
    seconds = timed(*arguments)
    for _ in range(4):
        shutil.rmtree(tmp_path / "db")
        kill_within(seconds, randomness, *arguments)
        if (tmp_path / "db").exists():
            check_killed(shutil.copytree(tmp_path / "db", tmp_path / "probe"), templates["killed"])
            shutil.rmtree(tmp_path / "probe")
        restore(repository, tmp_path / "db")
        assert not siblings(tmp_path / "db")
        shutil.rmtree(tmp_path / "probe", ignore_errors=True)
        for path in tmp_path.glob("db.before-restore-*"):
            shutil.rmtree(path)
