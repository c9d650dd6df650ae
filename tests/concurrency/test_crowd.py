"""Everything at once beside a live writer, readers during deletions, holders that are killed, RocksDB's own tools."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.concurrency.crowd import Commands, at_once, done
from tests.engine.steps import back_up
from tests.server.node import final, running_node, write_config
from tests.support.command import backups, create, restore, run, succeed, verify
from tests.support.databases import Template, check_killed
from tests.support.killing import Run
from tests.support.untouched import is_clean, siblings
from walrus_fast.errors import RepositoryBusy
from workload.driver import running_writer
from workload.prefix import check_in_subprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    CopyOf = Callable[[str, Path], Path]

SLOW = ("--max-bytes-per-second", "20KB")


class Repeated:
    """A command that is run over and over in a thread of its own until the block ends; `documents` are its answers."""

    def __init__(self, command: tuple[object, ...], *turned_away: str) -> None:
        self._command = command
        self._turned_away = turned_away
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.documents: list[Any] = []
        self.failure: BaseException | None = None

    def _run(self) -> None:
        try:
            while not self._ends.is_set():
                (outcome,) = at_once(self._command)
                self.documents.append(done(outcome, *self._turned_away))
        except BaseException as exc:  # noqa: BLE001 - raised again by the thread that waits
            self.failure = exc

    def __enter__(self) -> Repeated:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    @property
    def succeeded(self) -> list[Any]:
        """The answers that were no refusal."""
        return [document for document in self.documents if document is not None]


def crowd(tmp_path: Path, repository: Path, seed: int, rounds: int) -> None:
    database = tmp_path / "db"
    commands, target = Commands(database, repository, 30), tmp_path / "restored"
    restoring = commands.restore(target, "--no-open")
    with running_writer(database, seed=seed, format_version=5, rate=3000, memtable_size=256 << 10) as writer:
        create(database, repository)
        with ExitStack() as stack:
            readers = [
                stack.enter_context(Repeated(command, "repository-busy", "backup-not-found"))
                for command in (commands.verify(), commands.list(), restoring, commands.prune(2))
            ]
            reports = [done(outcome) for _ in range(rounds) for outcome in at_once(commands.create())]
        writer.assert_alive()
    assert all(reports)
    verified, lists, restored, _ = (reader.succeeded for reader in readers)
    assert not any(verdict["problems"] for document in verified for verdict in document["backups"])
    assert not any(backup["damaged"] for document in lists for backup in document["backups"])
    assert verified
    assert lists
    assert restored
    succeed(*commands.prune(2))
    is_clean(repository, database)
    assert len(backups(repository)) == 2
    assert siblings(target) == []
    for backup in backups(repository):
        restore(repository, tmp_path / "last", "--checkpoint-id", backup["backup_id"])
        check_in_subprocess(tmp_path / "last", seed)
    check_in_subprocess(target, seed)


@pytest.mark.timeout(300)
def test_all_at_once_beside_a_live_writer(tmp_path: Path, repository: Path, seed: int) -> None:
    crowd(tmp_path, repository, seed, 3)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_all_at_once_for_a_long_time(tmp_path: Path, repository: Path, seed: int) -> None:
    crowd(tmp_path, repository, seed, 150)


def test_readers_during_deletions(copy_of: CopyOf, tmp_path: Path, repository: Path) -> None:
    """No list shows a backup as damaged that is being deleted, and no verification finds damage."""
    database = copy_of("small", tmp_path / "db")
    for _ in range(7):
        back_up(database, repository)
    commands = Commands(database, repository, 30)
    with Repeated(commands.list()) as lists, Repeated(commands.verify()) as verifies:
        for backup_id in range(1, 7):
            assert at_once(commands.delete(backup_id))[0].status == 0
    assert lists.succeeded
    assert not [backup for document in lists.succeeded for backup in document["backups"] if backup["damaged"]]
    assert not [verdict for document in verifies.succeeded for verdict in document["backups"] if verdict["problems"]]
    assert [backup["backup_id"] for backup in backups(repository)] == [7]
    is_clean(repository, database)


HOLDERS = {
    "create": ("checkpoint", "create", "--db-path", "{db}", "--path", "{repo}", "--transfer-mode", "copy", *SLOW),
    "verify": ("checkpoint", "verify", "--path", "{repo}", *SLOW),
    "drill": ("checkpoint", "drill", "--path", "{repo}", *SLOW),
    "restore": ("restore", "--db-checkpoint-path", "{repo}", "--db-path", "{db}-2", "--transfer-mode", "copy", *SLOW),
}


def lock_of(pid: int, lock: Path) -> bool:
    """Whether a process holds a `flock` on the file."""
    wanted = f":{lock.stat().st_ino} "
    held = [line for line in Path("/proc/locks").read_text().splitlines() if wanted in line and " FLOCK " in line]
    return any(line.split()[4] == str(pid) for line in held)


@pytest.mark.parametrize("holder", HOLDERS)
def test_the_next_runs_after_a_killed_holder(copy_of: CopyOf, tmp_path: Path, repository: Path, holder: str) -> None:
    """Its lock dies with it: a writer that waits comes in at once, one that comes later finds nothing to wait for."""
    database = copy_of("tables", tmp_path / "db")
    back_up(database, repository)
    (repository / "shared_checksum").touch()
    other = copy_of("small", tmp_path / "other")
    names = {"{db}": str(other if holder == "create" else database), "{repo}": str(repository)}
    command = [word.replace("{db}", names["{db}"]).replace("{repo}", names["{repo}"]) for word in HOLDERS[holder]]
    lock = repository / ".walrus-fast" / "lock"
    first = Run(*command, "--json")
    first.wait_until("it never takes the lock", lambda: lock_of(first.process.pid, lock))
    commands = Commands(database, repository)
    (turned_away,) = at_once(commands.create())
    assert turned_away.code == "repository-busy"
    waiting = Run(*Commands(database, repository, 60).create())
    first.process.kill()
    first.process.communicate()
    first.assert_nobody_works()
    assert waiting.process.wait(60) == 0
    assert waiting.process.communicate() is not None
    at_once(("checkpoint", "verify", "--path", repository))  # sweeps what a killed reader has left
    create(database, repository)
    restore(repository, tmp_path / "db-2")
    assert not any(verdict["problems"] for verdict in verify(repository)["backups"])
    is_clean(repository, database)
    assert siblings(tmp_path / "db-2") == []


@pytest.fixture
def slow_create(copy_of: CopyOf, tmp_path: Path, repository: Path) -> Iterator[Run]:
    """A backup of some seconds that is under way, into a repository that has one already."""
    database = copy_of("tables", tmp_path / "slow")
    back_up(copy_of("small", tmp_path / "first"), repository)
    options = ("--transfer-mode", "copy", "--max-bytes-per-second", "12MB", "--json")
    run_ = Run("checkpoint", "create", "--db-path", database, "--path", repository, *options)
    incoming = repository / ".walrus-fast" / "staging" / str(run_.process.pid) / "incoming"
    run_.wait_until("no file arrives", lambda: incoming.is_dir() and any(incoming.iterdir()))
    yield run_
    run_.process.kill()
    run_.process.communicate()


def ldb_does(ldb: str, command: str, database: Path, repository: Path) -> subprocess.CompletedProcess[str]:
    """`ldb backup` or `ldb restore`."""
    words = [ldb, command, f"--db={database}", f"--backup_dir={repository}"]
    words += ["--ignore_unknown_options"] if command == "backup" else []
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_ldb_restores_while_we_write(slow_create: Run, ldb: str, tmp_path: Path, repository: Path) -> None:
    """It opens the repository for writing and sweeps nothing of ours: we find everything where it was."""
    done_ = ldb_does(ldb, "restore", tmp_path / "theirs", repository)
    assert "Failed" not in done_.stdout + done_.stderr, done_
    assert slow_create.process.poll() is None, "it was to run meanwhile"
    out, _ = slow_create.process.communicate(timeout=60)
    assert slow_create.process.returncode == 0, out
    assert not any(verdict["problems"] for verdict in verify(repository)["backups"])
    is_clean(repository)
    create(tmp_path / "theirs", repository)


def test_ldb_backs_up_while_we_write(
    slow_create: Run, ldb: str, copy_of: CopyOf, tmp_path: Path, repository: Path
) -> None:
    """It does not know our lock, and takes the number that ours was to have: ours says so, its backup stays whole."""
    done_ = ldb_does(ldb, "backup", copy_of("other", tmp_path / "theirs"), repository)
    assert "Failed" not in done_.stdout + done_.stderr, done_
    assert slow_create.process.poll() is None, "it was to run meanwhile"
    out, _ = slow_create.process.communicate(timeout=60)
    assert '"repository-busy"' in out, out
    assert "backup 2" in out
    assert [backup["backup_id"] for backup in backups(repository)] == [1, 2]
    assert not any(verdict["problems"] for verdict in verify(repository)["backups"])
    is_clean(repository)


def test_a_node_and_the_command_line(copy_of: CopyOf, tmp_path: Path, templates: dict[str, Template]) -> None:
    """Jobs of a node and commands without it, on one repository: busy is the worst that either hears."""
    database, repository = copy_of("killed", tmp_path / "db"), tmp_path / "checkpoints"
    create(database, repository)
    commands = Commands(database, repository, 30)
    with running_node(write_config(tmp_path, checkpoint={"max_db_checkpoints": 100})) as node, node.client() as client:
        with (
            Repeated(commands.create("--no-sync")),
            Repeated(commands.prune(3)),
            Repeated(commands.list()) as lists,
        ):
            jobs = [final(client, client.create()) for _ in range(3)]
            ends = [job.error.code if job.error else job.state for job in jobs]
            assert set(ends) <= {"succeeded", RepositoryBusy.code}
        shown = [backup for document in lists.succeeded for backup in document["backups"]]
        assert shown
        assert not [backup for backup in shown if backup["damaged"]]
        held = Run("checkpoint", "verify", "--path", repository, *SLOW, "--json")
        held.wait_until("no lock", lambda: lock_of(held.process.pid, repository / ".walrus-fast" / "lock"))
        late = final(client, client.create())
        assert late.state != "succeeded"
        assert late.error is not None
        assert late.error.code == RepositoryBusy.code
        assert held.end(signal.SIGINT)[0] == 130
        assert final(client, client.create()).state == "succeeded"
    assert not any(verdict["problems"] for verdict in verify(repository)["backups"])
    is_clean(repository, database)
    restore(repository, tmp_path / "restored")
    check_killed(tmp_path / "restored", templates["killed"])
    shutil.rmtree(tmp_path / "restored")
    assert run("checkpoint", "list", "--path", repository).status == 0
