"""Other users of the machine, as real uids: what they made beforehand, and what they may see and reach."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.security.conftest import make_outside
from tests.security.test_links import WORK
from tests.support.untouched import untouched
from walrus_fast.errors import NotPermitted
from walrus_fast.files import Files
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.repository.catalog import load_catalog
from walrus_fast.repository.layout import open_repository
from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = 65534
THIRD = 54321

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture
def shared_place(original: Path) -> Iterator[Path]:
    """A folder that everybody can write in and nobody can remove others' files from, like /tmp."""
    folder = Path(tempfile.mkdtemp(prefix="walrus-fast-test-"))
    folder.chmod(0o1777)
    try:
        for name in ("db", "repo"):
            shutil.copytree(original / name, folder / name)
        make_outside(folder / "outside")
        yield folder
    finally:
        shutil.rmtree(folder)


def as_user(uid: int, work: Callable[[], object]) -> BaseException | None:
    """What `work` raises when that user does it; it happens in a process of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            work()
        except BaseException as exc:  # noqa: BLE001  (the parent is told)
            os.write(writer, type(exc).__name__.encode())
        finally:
            os._exit(0)
    os.close(writer)
    said = os.read(reader, 100).decode()
    os.close(reader)
    os.waitpid(pid, 0)
    return {"": None, "PermissionError": PermissionError()}.get(said, RuntimeError(said))


def made_by(uid: int, folder: Path, mode: int) -> None:
    def make() -> None:
        os.umask(0)
        folder.mkdir()
        folder.chmod(mode)

    assert as_user(uid, make) is None
    assert folder.stat().st_uid == uid


@pytest.mark.parametrize("mode", [0o700, 0o777])
@pytest.mark.parametrize("uid", [NOBODY, THIRD])
def test_a_pin_folder_that_another_user_made(shared_place: Path, uid: int, mode: int) -> None:
    """The backup is made with descriptors instead; the other user's folders are no leftovers of ours."""
    pins = shared_place / ".db.walrus-fast-pins"
    made_by(uid, pins, mode)
    made_by(uid, pins / "leftover", 0o777)
    before = set(os.listdir(pins))
    WORK["create"](Files(), shared_place)
    assert set(os.listdir(pins)) == before
    assert not load_catalog(Files(), open_repository(Files(), shared_place / "repo"))[-1].is_damaged


@pytest.mark.parametrize("mode", [0o700, 0o777])
def test_a_restore_folder_that_another_user_made(shared_place: Path, mode: int) -> None:
    root = shared_place / ".restored.walrus-fast-restore"
    made_by(NOBODY, root, mode)
    with untouched(root), pytest.raises(NotPermitted, match="uid 65534"):
        WORK["restore"](Files(), shared_place)
    assert not (shared_place / "restored").exists()


def test_a_scratch_folder_that_another_user_made(shared_place: Path) -> None:
    scratch = shared_place / ".walrus-fast-scratch"
    made_by(NOBODY, scratch, 0o777)
    made_by(NOBODY, scratch / "99-aa", 0o777)
    with untouched(scratch), pytest.raises(NotPermitted, match="uid 65534"):
        verify_backups(Files(), shared_place / "repo", tier=Tier.OPENED, scratch_dir=shared_place)


@pytest.mark.parametrize("name", [".db.walrus-fast-pins", ".restored.walrus-fast-restore"])
def test_a_link_that_another_user_made(shared_place: Path, name: str) -> None:
    def link() -> None:
        (shared_place / name).symlink_to(shared_place / "outside")

    assert as_user(NOBODY, link) is None
    with untouched(shared_place / "outside"):
        WORK["create"](Files(), shared_place)
        if "restore" in name:
            with pytest.raises(NotPermitted):
                WORK["restore"](Files(), shared_place)


def test_a_folder_of_our_own_that_others_may_write_in(shared_place: Path) -> None:
    folder = shared_place / ".restored.walrus-fast-restore"
    folder.mkdir()
    folder.chmod(0o770)
    with pytest.raises(NotPermitted, match="only we can write"):
        Files().own_directory(folder)
    folder.chmod(0o750)
    Files().own_directory(folder)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_whatever_the_umask_others_see_and_write_nothing(shared_place: Path, umask: int) -> None:
    shutil.rmtree(shared_place / "repo")
    before = os.umask(umask)
    try:
        WORK["create"](Files(), shared_place)
        verify_backups(Files(), shared_place / "repo", tier=Tier.OPENED)
        WORK["restore"](Files(), shared_place)
    finally:
        os.umask(before)
    for folder in (shared_place / "repo", shared_place / "restored"):
        for path in (folder, *folder.rglob("*")):
            mode = stat.S_IMODE(path.lstat().st_mode)
            allowed = 0o750 if path.is_dir() else 0o644 if path.name == "LOCK" else 0o640
            assert mode & ~allowed == 0, f"{path} has mode {mode:o}"

    def look() -> None:
        os.listdir(shared_place / "repo")

    assert isinstance(as_user(NOBODY, look), PermissionError)
    assert isinstance(as_user(THIRD, (shared_place / "repo" / "meta" / "1").read_bytes), PermissionError)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_folders_of_work_are_ours_alone(shared_place: Path, umask: int) -> None:
    """Looked at from within, before each operation: they are gone afterwards."""
    seen: dict[str, int] = {}

    class Looking(Files):
        def link_many(self, *arguments: object) -> list[int]:
            self.look()
            return super().link_many(*arguments)  # type: ignore[arg-type]

        def create(self, path: Path | str, mode: int = 0o640) -> int:
            self.look()
            return super().create(path, mode)

        def look(self) -> None:
            for place in ("repo/.walrus-fast/staging/*", ".db.walrus-fast-pins", ".restored.walrus-fast-restore"):
                for path in shared_place.glob(place):
                    seen[place] = seen.get(place, 0) | stat.S_IMODE(path.stat().st_mode)

    before = os.umask(umask)
    try:
        WORK["create"](Looking(), shared_place)
        WORK["restore"](Looking(), shared_place)
    finally:
        os.umask(before)
    assert set(seen.values()) == {0o700}, {name: oct(mode) for name, mode in seen.items()}
    assert len(seen) == 3, seen
