"""A restore, and an undo, killed or failing at every single file operation.

Afterwards the old or the new database must be whole; where the exchange takes several steps, RocksDB must be kept
from opening what is in between, and the next run must finish it and say so.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.exchange.scene import Scene, copy_scene, state_of
from tests.support.sweep import FAULTS, Counting, Dying, Failing, dies
from walrus_fast.errors import RestoreRefused, StorageError, WalrusFastError
from walrus_fast.exchange.steps import CLOSED
from walrus_fast.files import Files
from walrus_fast.operations.restore.restore import restore_backup
from walrus_fast.operations.restore.undo import undo_restore

if TYPE_CHECKING:
    from pathlib import Path

ORDINARY, SEPARATE_WALS, IN_PLACE = "ordinary", "separate WALs", "in place"
WAYS = (ORDINARY, SEPARATE_WALS, IN_PLACE)


class NoExchange(Files):
    """A file system without RENAME_EXCHANGE."""

    def exchange(self, first: Path | str, second: Path | str) -> None:
        raise StorageError("cannot exchange", number=22)


def make(original: Scene, folder: Path, way: str) -> Scene:
    scene = copy_scene(original, folder, separate_wals=way == SEPARATE_WALS)
    if way == IN_PLACE:
        if os.geteuid() != 0:
            pytest.skip("bind mounts need root")
        subprocess.run(["mount", "--bind", scene.database, scene.database], check=True)
    return scene


def unmake(scene: Scene, way: str) -> None:
    if way == IN_PLACE:
        subprocess.run(["umount", scene.database], check=True)
    shutil.rmtree(scene.folder)


def restore(scene: Scene, files: Files, way: str) -> tuple[str, ...]:
    # RocksDB's opening reads only, in a scratch: nothing new can go wrong there, and it would cost minutes.
    return restore_backup(files, scene.request(separate_wals=way == SEPARATE_WALS, open_first=False)).notes


def whole_state(scene: Scene, way: str) -> dict[str, bytes]:
    state = state_of(scene.database)
    if way == SEPARATE_WALS:
        state |= state_of(scene.wal_dir)
    return state


def verdict(scene: Scene, way: str) -> str:
    """Which database is there; fails when it is neither and RocksDB could open it."""
    state = whole_state(scene, way)
    if state == scene.old:
        return "old"
    if state == scene.new:
        return "new"
    assert way != ORDINARY, f"neither the old nor the new database: {sorted(state)}"
    assert state["CURRENT"] == CLOSED.encode(), f"half a database that RocksDB would open: {sorted(state)}"
    return "between"


def assert_nothing_of_ours_is_left(scene: Scene) -> None:
    hidden = [path for path in scene.folder.rglob(".*restore*") if path.name != ".walrus-fast-restore.json"]
    assert hidden == []


@pytest.mark.parametrize("way", WAYS)
def test_killed_at_every_call(original: Scene, tmp_path: Path, way: str) -> None:
    seen: dict[str, int] = {}
    at = 0
    while True:
        at += 1
        scene = make(original, tmp_path / "scene", way)
        try:
            killed = dies(partial(restore, scene, Dying(at), way))
            seen[verdict(scene, way)] = seen.get(verdict(scene, way), 0) + 1
            before = verdict(scene, way)
            notes = restore(scene, Files(), way)
            assert before != "between" or any("was finished" in note for note in notes)
            assert whole_state(scene, way) == scene.new
            assert (scene.database / "operators-notes.txt").read_text() == "not RocksDB's"
            assert (scene.database / "foreign" / "file").read_text() == "nor this"
            assert_nothing_of_ours_is_left(scene)
        finally:
            unmake(scene, way)
        if not killed:
            break
    print(f"{way}: killed at each of {at - 1} calls: {seen}")
    assert seen["old"] > 10, "killed before the exchange"
    assert seen["new"] > 1, "killed after it"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("number", "stride"),
    [(errno.EIO, 2), (errno.ENOSPC, 7), (errno.EACCES, 7)]
    + [pytest.param(number, 1, marks=pytest.mark.long) for number in FAULTS],
)
def test_failing_at_every_call(original: Scene, tmp_path: Path, way: str, number: int, stride: int) -> None:
    at = 1 - stride
    while True:
        at += stride
        scene = make(original, tmp_path / "scene", way)
        try:
            files = Failing(at, number)
            try:
                restore(scene, files, way)
                done = True
            except WalrusFastError:
                done = False
            reached = files.calls >= at
            here = verdict(scene, way)
            assert here == "new" if done else here in ("old", "new", "between")
            restore(scene, Files(), way)
            assert whole_state(scene, way) == scene.new
            assert_nothing_of_ours_is_left(scene)
        finally:
            unmake(scene, way)
        if not reached:
            break
    assert at > 20


@pytest.mark.parametrize("way", WAYS)
def test_cleaning_up_fails_too(original: Scene, tmp_path: Path, way: str) -> None:
    at = 1
    while True:
        scene = make(original, tmp_path / "scene", way)
        try:
            files = Failing(at, FAULTS[1], broken=True)
            try:
                restore(scene, files, way)
            except WalrusFastError:
                pass  # the fault; what matters is what it leaves
            verdict(scene, way)
            reached = files.calls >= at
            restore(scene, Files(), way)
            assert whole_state(scene, way) == scene.new
            assert_nothing_of_ours_is_left(scene)
        finally:
            unmake(scene, way)
        if not reached:
            break
        at += 5
    assert at > 20


@pytest.mark.parametrize("way", WAYS)
def test_an_undo_killed_at_every_call(original: Scene, tmp_path: Path, way: str) -> None:
    at = 0
    while True:
        at += 1
        scene = make(original, tmp_path / "scene", way)
        try:
            restore(scene, Files(), way)
            assert verdict(scene, way) == "new"
            killed = dies(partial(undo_restore, Dying(at), scene.database))
            if verdict(scene, way) != "old":
                undo_restore(Files(), scene.database)
            elif killed:
                # Done, perhaps not cleaned up. The next run says so, or finds nothing left to undo.
                with suppress(RestoreRefused):
                    assert "was finished" in undo_restore(Files(), scene.database).notes[0]
            assert whole_state(scene, way) == scene.old
            assert_nothing_of_ours_is_left(scene)
        finally:
            unmake(scene, way)
        if not killed:
            break
    assert at > 15


def test_a_file_system_without_exchange_killed_at_every_call(original: Scene, tmp_path: Path) -> None:
    class DyingWithoutExchange(Dying, NoExchange):
        pass

    at = 0
    while True:
        at += 1
        scene = copy_scene(original, tmp_path / "scene")
        killed = dies(partial(restore, scene, DyingWithoutExchange(at), ORDINARY))
        if not scene.database.exists():
            kept = list(scene.folder.glob("db.before-restore-*"))
            assert [state_of(path) for path in kept] == [scene.old]
        else:
            verdict(scene, ORDINARY)
        restore(scene, Files(), ORDINARY)
        assert whole_state(scene, ORDINARY) == scene.new
        shutil.rmtree(scene.folder)
        if not killed:
            break
    assert at > 20


def test_the_calls_are_really_counted(scene: Scene) -> None:
    files = Counting()
    restore(scene, files, ORDINARY)
    assert files.calls > 50
