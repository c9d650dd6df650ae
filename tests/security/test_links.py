"""A repository written by an attacker: no link in it, however timed, leads our writes or removals outside."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.sweep import Counting
from tests.support.untouched import untouched
from walrus_fast.errors import StorageError, WalrusFastError
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.keeping.prune import prune_backups
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.operations.restore.restore import RestoreRequest, restore_backup
from walrus_fast.repository.layout import open_repository
from walrus_fast.snapshot.model import SnapshotRequest
from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

OURS = ".walrus-fast"
FOLDERS = (
    "meta",
    "private",
    "private/1",
    "shared_checksum",
    OURS,
    *(f"{OURS}/{name}" for name in ("manifests", "staging", "verified", "runs", "kept", "scratch")),
)
WORK: dict[str, Callable[[Files, Path], object]] = {
    "create": lambda files, place: create_backup(
        files, CreateRequest(SnapshotRequest(place / "db"), place / "repo", mode=TransferMode.COPY)
    ),
    "delete": lambda files, place: delete_backup(files, place / "repo", 1),
    "prune": lambda files, place: prune_backups(files, place / "repo", keep=1),
    "verify": lambda files, place: verify_backups(files, place / "repo", tier=Tier.CLOSURE),
    "restore": lambda files, place: restore_backup(
        files, RestoreRequest(place / "repo", place / "restored", mode=TransferMode.COPY, open_first=False)
    ),
}


def leave_traces(repository: Path) -> None:
    """Of a writer and a reader that died: the next ones sweep."""
    for name in ("staging/999999", "scratch/999999-aa"):
        (repository / OURS / name).mkdir(parents=True)
    (repository / "private" / "77").mkdir()


def exchange_for_link(folder: Path, outside: Path) -> None:
    """What an attacker does between two system calls of ours."""
    if folder.is_symlink() or not folder.parent.exists():
        return
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}.away"))
    folder.symlink_to(outside)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("work", WORK)
def test_a_folder_that_is_a_link(place: Path, work: str, folder: str) -> None:
    leave_traces(place / "repo")
    exchange_for_link(place / "repo" / folder, place / "outside")
    with untouched(place / "outside"), contextlib.suppress(WalrusFastError):
        WORK[work](Files(), place)


class Swapping(Counting):
    """Has a folder exchanged for a link right before the n-th call."""

    def __init__(self, at: int, folder: Path, outside: Path) -> None:
        super().__init__()
        self._moment = at
        self._folder = folder
        self._outside = outside

    def _before(self, name: str) -> None:
        super()._before(name)
        if self.calls == self._moment:
            exchange_for_link(self._folder, self._outside)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("work", ["create", "delete", "prune", "verify"])
def test_a_folder_that_becomes_a_link_at_any_moment(
    original: Path, place: Path, randomness: random.Random, work: str, folder: str
) -> None:
    """Three moments by chance each time; all of them in `test_every_moment`."""
    calls = count_calls(work, place)
    for moment in sorted(randomness.sample(range(1, calls + 1), 3)):
        swap_at(original, place, work, folder, moment)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("work", ["create", "delete", "prune"])
def test_every_moment(original: Path, place: Path, work: str, folder: str) -> None:
    for moment in range(1, count_calls(work, place) + 1):
        swap_at(original, place, work, folder, moment)


def count_calls(work: str, place: Path) -> int:
    leave_traces(place / "repo")
    counting = Counting()
    WORK[work](counting, place)
    assert counting.calls > 20
    return counting.calls


def swap_at(original: Path, place: Path, work: str, folder: str, moment: int) -> None:
    shutil.rmtree(place / "repo")
    shutil.copytree(original / "repo", place / "repo")
    leave_traces(place / "repo")
    files = Swapping(moment, place / "repo" / folder, place / "outside")
    with untouched(place / "outside"), contextlib.suppress(WalrusFastError):
        WORK[work](files, place)


def test_the_folder_itself_may_be_a_link(place: Path) -> None:
    """That is the operator's choice."""
    (place / "repo").rename(place / "elsewhere")
    (place / "repo").symlink_to(place / "elsewhere")
    delete_backup(Files(), place / "repo", 1)
    assert [path.name for path in (place / "elsewhere" / "meta").iterdir()] == ["2"]


def test_what_is_in_the_way_is_named(place: Path) -> None:
    files = Files()
    layout = open_repository(files, place / "repo")
    exchange_for_link(layout.shared, place / "outside")
    looks: list[Callable[[Path], object]] = [files.list_directory, files.open_directory]
    for look in looks:
        with pytest.raises(StorageError, match="shared_checksum"):
            look(layout.shared)
    works: list[Callable[[Path], object]] = [files.open_read, files.unlink, files.make_directory, files.create]
    for work in [*works, files.remove_tree]:
        with pytest.raises(StorageError, match="Too many levels of symbolic links"):
            work(layout.shared / "1")
    with pytest.raises(StorageError, match="Too many levels"):
        files.rename(layout.shared / "1", layout.root / "here")
    with pytest.raises(StorageError, match="Too many levels"):
        files.unlink(layout.root / ".." / "outside" / "precious")
    assert (place / "outside" / "precious").exists()


@pytest.mark.parametrize("name", [".db.walrus-fast-pins", ".db.walrus-fast-pins/victim"])
def test_a_pin_folder_that_is_a_link(place: Path, name: str) -> None:
    """Folders in the pin folder are leftovers of dead jobs, and removed: not those of whoever a link leads to."""
    link = place / name
    link.parent.mkdir(exist_ok=True, mode=0o700)
    link.symlink_to(place / "outside")
    with untouched(place / "outside"):
        WORK["create"](Files(), place)


def test_a_restore_folder_that_is_a_link(place: Path) -> None:
    (place / ".restored.walrus-fast-restore").symlink_to(place / "outside")
    with untouched(place / "outside"), pytest.raises(StorageError, match="only we can write"):
        WORK["restore"](Files(), place)


def test_a_scratch_folder_that_is_a_link(place: Path) -> None:
    (place / "tmp").mkdir()
    (place / "tmp" / ".walrus-fast-scratch").symlink_to(place / "outside")
    with untouched(place / "outside"), pytest.raises(StorageError, match="only we can write"):
        verify_backups(Files(), place / "repo", tier=Tier.OPENED, scratch_dir=place / "tmp")


def test_a_tree_that_becomes_a_link_while_it_is_removed(place: Path) -> None:
    """Wherever it lies: no other folder is emptied in its place."""
    calls = 12
    for moment in range(1, calls):
        shutil.rmtree(place / "tree", ignore_errors=True)
        shutil.copytree(place / "outside", place / "tree")
        files = Swapping(moment, place / "tree", place / "outside")
        with untouched(place / "outside"), contextlib.suppress(StorageError):
            files.remove_tree(place / "tree")
        if (place / "tree").is_symlink():
            (place / "tree").unlink()
        shutil.rmtree(place / "tree.away", ignore_errors=True)
