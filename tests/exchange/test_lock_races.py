"""Two restores, or a restore and a node, that come between a look and a lock: each is done to the file seam, which lets
the other one act at exactly that moment."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.engine.steps import back_up
from tests.support.untouched import siblings
from walrus_fast.errors import DatabaseOwned, RepositoryBusy, RestoreRefused
from walrus_fast.exchange.folder import restore_folder
from walrus_fast.exchange.journal import Exchange, save_journal
from walrus_fast.files import Files
from walrus_fast.operations.progress import JobProgress, Phase
from walrus_fast.operations.restore.restore import RestoreRequest, restore_backup
from walrus_fast.operations.restore.undo import discard_previous
from walrus_fast.rocksdb.ownership import hold_database
from workload.driver import running_writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    CopyOf = Callable[[str, Path], Path]


class Between(Files):
    """Lets another act once, after a folder or a lock file was opened and before it is locked."""

    def __init__(self, name: str, act: Callable[[], None]) -> None:
        self._name = name
        self._act: Callable[[], None] | None = act

    def _opened(self, path: Path | str) -> None:
        if str(path).endswith(self._name) and (act := self._act) is not None:
            self._act = None
            act()

    def open_directory(self, path: Path | str) -> int:
        fd = super().open_directory(path)
        self._opened(path)
        return fd

    def open_lock(self, path: Path) -> int:
        fd = super().open_lock(path)
        self._opened(path)
        return fd


def test_a_restore_folder_that_another_has_just_removed_is_made_anew(tmp_path: Path) -> None:
    target = tmp_path / "db"
    root = tmp_path / ".db.walrus-fast-restore"
    with restore_folder(Between(root.name, lambda: shutil.rmtree(root)), target) as folder:
        assert folder.incoming.is_dir()
        with pytest.raises(RepositoryBusy), restore_folder(Files(), target):
            pass
    assert siblings(target) == []


def test_a_restore_folder_that_a_third_has_made_meanwhile_is_the_thirds(tmp_path: Path) -> None:
    """The lock on the folder that is gone is free, and guards nothing: what the third brings in stays untouched."""
    target = tmp_path / "db"
    root = tmp_path / ".db.walrus-fast-restore"
    with ExitStack() as stack:

        def end_and_begin() -> None:
            shutil.rmtree(root)
            (root / "incoming").mkdir(parents=True)
            (root / "incoming" / "CURRENT").write_text("the third one's")
            lock = os.open(root, os.O_RDONLY)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(RepositoryBusy), restore_folder(Between(root.name, end_and_begin), target):
            pass
        assert (root / "incoming" / "CURRENT").read_text() == "the third one's"


def test_a_lock_of_the_database_that_was_there_before_does_not_hold_the_one_that_is(tmp_path: Path) -> None:
    target = tmp_path / "db"
    for folder in (target, tmp_path / "new"):
        folder.mkdir()
        (folder / "LOCK").touch()

    def exchange() -> None:
        target.rename(tmp_path / "before")
        (tmp_path / "new").rename(target)

    with pytest.raises(DatabaseOwned, match="exchanged"), hold_database(Between("LOCK", exchange), target):
        pass
    with hold_database(Files(), target) as held:
        assert held is not None


@pytest.mark.parametrize("there", ["nothing", "empty"])
def test_a_node_that_starts_where_nothing_was_is_not_replaced(
    copy_of: CopyOf, tmp_path: Path, repository: Path, there: str, seed: int
) -> None:
    """There was no LOCK to hold when the restore began: it looks again before it puts anything in place. The writer
    would fail the test if its folder were taken away."""
    back_up(copy_of("small", tmp_path / "db"), repository)
    target = tmp_path / "target"
    if there == "empty":
        target.mkdir()
    with ExitStack() as stack:

        def start_node(progress: JobProgress) -> None:
            if progress.phase is Phase.EXCHANGING:
                writer = stack.enter_context(running_writer(target, seed=seed, steps=400))
                writers.append(writer)

        writers: list[object] = []
        request = RestoreRequest(repository, target, open_first=False)
        with pytest.raises(DatabaseOwned):
            restore_backup(Files(), request, observer=start_node)
        assert writers
        assert siblings(target) == []


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """What a restore of `db` has kept."""
    for folder in (tmp_path / "db", tmp_path / "db.before-restore-20251122T000000Z"):
        folder.mkdir()
        (folder / "CURRENT").write_text("MANIFEST-000001\n")
    return tmp_path / "db.before-restore-20251122T000000Z"


def test_nothing_is_discarded_while_a_restore_or_an_undo_runs(kept: Path, tmp_path: Path) -> None:
    """An undo may be putting in place what would be deleted."""
    with restore_folder(Files(), tmp_path / "db"), pytest.raises(RepositoryBusy):
        discard_previous(Files(), tmp_path / "db")
    assert (kept / "CURRENT").exists()
    assert discard_previous(Files(), tmp_path / "db") == [kept]
    assert not kept.exists()
    assert siblings(tmp_path / "db") == []


def test_nothing_is_discarded_that_an_interrupted_exchange_may_need(kept: Path, tmp_path: Path) -> None:
    """An undo that was killed half-way within a mount point has its database in both folders."""
    target, root = tmp_path / "db", tmp_path / ".db.walrus-fast-restore"
    root.mkdir()
    exchange = Exchange(
        target=str(target), incoming=str(kept), previous=f"{target}.undone-x", inode=1, in_place=True, is_undo=True
    )
    save_journal(Files(), root, exchange)
    with pytest.raises(RestoreRefused, match="interrupted"):
        discard_previous(Files(), target)
    assert (kept / "CURRENT").exists()
    assert (root / "exchange.json").exists()
