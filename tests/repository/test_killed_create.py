"""SIGKILL of `checkpoint create` at random moments: what is listed stays whole, the next run leaves no trace of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command import backups, create, verify
from tests.support.killing import Run, kill_within, timed
from tests.support.untouched import is_clean, untouched
from workload.driver import running_writer

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

# A rate makes workers do the work, and makes the run long enough to be hit everywhere.
MODES = {"link": (), "copy": ("--transfer-mode", "copy", "--max-bytes-per-second", "60MB")}


def arguments(database: Path, repository: Path, *options: str) -> tuple[object, ...]:
    return ("checkpoint", "create", "--db-path", database, "--path", repository, *options)


def kill_often(times: int, mode: str, database: Path, repository: Path, randomness: random.Random) -> None:
    seconds = timed(*arguments(database, repository, *MODES[mode]))
    killed = 0
    for _ in range(times):
        with untouched(database):
            killed += kill_within(1.1 * seconds, randomness, *arguments(database, repository, *MODES[mode]))
        assert all(not verdict["problems"] for verdict in verify(repository)["backups"])
    assert not any(backup["damaged"] for backup in backups(repository))
    create(database, repository)
    is_clean(repository, database)
    assert all(not verdict["problems"] for verdict in verify(repository)["backups"])
    assert killed, "never hit"


@pytest.mark.parametrize("mode", MODES)
def test_ten_kills(database: Path, repository: Path, mode: str, randomness: random.Random) -> None:
    kill_often(10 // len(MODES), mode, database, repository, randomness)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", MODES)
def test_a_hundred_kills(database: Path, repository: Path, mode: str, randomness: random.Random) -> None:
    kill_often(100, mode, database, repository, randomness)


def test_a_kill_in_the_middle_of_a_copy_leaves_no_worker(
    copy_of: Callable[[str, Path], Path], tmp_path: Path, repository: Path
) -> None:
    """Even when the rate is so low that a worker would sleep for an hour."""
    database = copy_of("tables", tmp_path / "db")
    run = Run(*arguments(database, repository, "--transfer-mode", "copy", "--max-bytes-per-second", "100"))
    incoming = repository / ".walrus-fast" / "staging" / str(run.process.pid) / "incoming"
    run.wait_until("no file arrives", lambda: incoming.is_dir() and any(incoming.iterdir()))
    run.process.kill()
    run.process.communicate()
    run.assert_nobody_works()
    create(database, repository)
    is_clean(repository, database)
    assert [backup["backup_id"] for backup in backups(repository)] == [1]


def test_kills_beside_a_running_writer(tmp_path: Path, repository: Path, seed: int, randomness: random.Random) -> None:
    database = tmp_path / "db"
    with running_writer(database, seed=seed, format_version=5, rate=3000) as writer:
        seconds = timed(*arguments(database, repository))
        for _ in range(4):
            kill_within(seconds, randomness, *arguments(database, repository))
        writer.assert_alive()
        create(database, repository)
    is_clean(repository, database)
    assert all(not verdict["problems"] for verdict in verify(repository)["backups"])
