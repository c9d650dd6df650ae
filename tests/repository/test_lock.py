"""One writer per repository across processes; readers keep writers out; a dead holder holds nothing."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.support.command import create, refuse, restore, succeed, verify
from tests.support.killing import Run
from tests.support.untouched import is_clean
from walrus_fast.files import Files
from walrus_fast.repository.lock import lock_to_read, lock_to_write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    CopyOf = Callable[[str, Path], Path]


def writing(database: Path, repository: Path) -> Run:
    """A `create` that holds the repository until it is stopped."""
    slow = ("--transfer-mode", "copy", "--max-bytes-per-second", "1KB", "--json")
    run = Run("checkpoint", "create", "--db-path", database, "--path", repository, *slow)
    staging = repository / ".walrus-fast" / "staging" / str(run.process.pid)
    run.wait_until("it does not begin", (staging / "incoming").exists)
    return run


def test_a_second_writer_is_refused_and_comes_in_when_the_first_is_killed(
    copy_of: CopyOf, tmp_path: Path, repository: Path
) -> None:
    database = copy_of("tables", tmp_path / "db")
    first = writing(database, repository)
    arguments = ("checkpoint", "create", "--db-path", database, "--path", repository)
    message = refuse(23, "repository-busy", *arguments)
    assert str(repository) in message
    refuse(23, "repository-busy", *arguments, "--wait", "0.5")
    refuse(23, "repository-busy", "checkpoint", "verify", "--path", repository)
    assert succeed("checkpoint", "list", "--path", repository)["backups"] == []
    waiting = Run(*arguments, "--wait", "30")
    assert not waiting.ends_within(0.5)
    first.process.kill()
    first.process.communicate()
    assert waiting.process.communicate(timeout=30)
    assert waiting.process.returncode == 0
    is_clean(repository, database)


def test_a_reader_keeps_a_writer_out(copy_of: CopyOf, tmp_path: Path, repository: Path) -> None:
    database = copy_of("tables", tmp_path / "db")
    create(database, repository)
    reader = Run("checkpoint", "verify", "--path", repository, "--max-bytes-per-second", "1KB", "--json")
    lock = str(repository / ".walrus-fast" / "lock")
    reader.wait_until("no lock", lambda: f":{(repository / '.walrus-fast' / 'lock').stat().st_ino} " in locks())
    arguments = ("checkpoint", "create", "--db-path", database, "--path", repository)
    assert str(repository) in refuse(23, "repository-busy", *arguments), lock
    refuse(23, "repository-busy", "checkpoint", "delete", "--path", repository, "--checkpoint-id", 1)
    restore(repository, tmp_path / "restored")  # readers do not mind each other
    assert reader.end(signal.SIGINT)[0] == 130
    create(database, repository)
    verify(repository)


def locks() -> str:
    from pathlib import Path

    return Path("/proc/locks").read_text()


def test_locks_of_one_process(tmp_path: Path) -> None:
    files, lock = Files(), tmp_path / "lock"
    with lock_to_read(files, lock):
        assert not lock.exists(), "a reader makes no files"
    with lock_to_write(files, lock):
        pass
    with lock_to_read(files, lock), lock_to_read(files, lock):
        assert files.lock(lock, shared=False, create=False) is None
