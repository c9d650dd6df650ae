"""Restores over every kind of place, undone again."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.exchange.scene import Scene, copy_scene, state_of
from tests.support.sweep import Counting, Dying, dies
from walrus_fast.errors import DatabaseOwned, RestoreRefused
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.restore.plan import plan_restore
from walrus_fast.operations.restore.restore import restore_backup
from walrus_fast.operations.restore.undo import discard_previous, undo_restore
from workload.driver import running_writer
from workload.prefix import check_in_subprocess

if TYPE_CHECKING:
    from pathlib import Path

SEED = 4


class Recording(Counting):
    """Remembers the names of the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def _before(self, name: str) -> None:
        super()._before(name)
        self.names.append(name)


def test_nothing_is_there(scene: Scene) -> None:
    shutil.rmtree(scene.database)
    report = restore_backup(Files(), scene.request())
    assert report.previous is None
    assert state_of(scene.database) == scene.new
    check_in_subprocess(scene.database, SEED, lower=300, upper=300)
    with pytest.raises(RestoreRefused, match="no database from before"):
        undo_restore(Files(), scene.database)


def test_an_empty_folder_is_there(scene: Scene) -> None:
    shutil.rmtree(scene.database)
    scene.database.mkdir()
    assert restore_backup(Files(), scene.request()).previous is None
    assert state_of(scene.database) == scene.new


def test_undo_and_undo_of_the_undo(scene: Scene) -> None:
    report = restore_backup(Files(), scene.request())
    assert report.previous is not None
    assert state_of(report.previous) == scene.old
    undone = undo_restore(Files(), scene.database)
    assert state_of(scene.database) == scene.old
    assert state_of(undone.undone) == scene.new
    assert not report.previous.exists()


def test_foreign_files_stay_with_the_database(scene: Scene) -> None:
    restore_backup(Files(), scene.request())
    assert (scene.database / "operators-notes.txt").read_text() == "not RocksDB's"
    assert (scene.database / "foreign" / "file").read_text() == "nor this"
    undo_restore(Files(), scene.database)
    assert (scene.database / "operators-notes.txt").read_text() == "not RocksDB's"
    assert (scene.database / "foreign" / "file").read_text() == "nor this"


def test_a_symlink_to_the_database_stays_a_symlink(scene: Scene) -> None:
    real = scene.folder / "real"
    scene.database.rename(real)
    scene.database.symlink_to(real)
    restore_backup(Files(), scene.request())
    assert scene.database.readlink() == real
    assert state_of(real) == scene.new


def test_wals_elsewhere_come_back_there_and_are_undone_there(original: Scene, tmp_path: Path) -> None:
    scene = copy_scene(original, tmp_path / "scene", separate_wals=True)
    restore_backup(Files(), scene.request(separate_wals=True))
    assert list(scene.database.glob("*.log")) == []
    assert state_of(scene.database) | state_of(scene.wal_dir) == scene.new
    check_in_subprocess(scene.database, SEED, wal_dir=scene.wal_dir, lower=300, upper=300)
    undo_restore(Files(), scene.database)
    assert state_of(scene.database).keys() | state_of(scene.wal_dir).keys() >= scene.old.keys()


@pytest.mark.skipif(os.geteuid() != 0, reason="bind mounts need root")
def test_a_mount_point(scene: Scene) -> None:
    subprocess.run(["mount", "--bind", scene.database, scene.database], check=True)
    try:
        report = restore_backup(Files(), scene.request())
        assert report.previous is not None
        assert report.previous.parent == scene.database
        assert state_of(report.previous) == scene.old
        assert state_of(scene.database) == scene.new
        undo_restore(Files(), scene.database)
        assert state_of(scene.database) == scene.old
    finally:
        subprocess.run(["umount", scene.database], check=True)


def test_a_running_database_is_refused_with_its_pid(scene: Scene) -> None:
    with running_writer(scene.database, seed=SEED, value_scale=0.05, resume=True) as writer:
        with pytest.raises(DatabaseOwned, match=f"process {writer.pid}"):
            restore_backup(Files(), scene.request())
        with pytest.raises(DatabaseOwned, match=f"process {writer.pid}"):
            undo_restore(Files(), scene.database)
        writer.assert_alive()


def test_another_nodes_database_is_refused(scene: Scene, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with running_writer(other, seed=9, steps=300, value_scale=0.05) as writer:
        writer.wait()
    before = state_of(other)
    request = replace(scene.request(), database=other)
    with pytest.raises(RestoreRefused, match="holds another database"):
        restore_backup(Files(), request)
    assert state_of(other) == before
    restore_backup(Files(), replace(request, force=True))
    assert state_of(other) == scene.new


def test_a_damaged_database_gives_what_is_intact(scene: Scene) -> None:
    """Delta: with copies, files that are right are taken from the database that is there."""
    restore_backup(Files(), scene.request(mode=TransferMode.COPY))
    tables = sorted(scene.database.glob("*.sst")) + sorted(scene.database.glob("*.blob"))
    damaged = tables[0]
    contents = bytearray(damaged.read_bytes())
    contents[len(contents) // 2] ^= 1
    damaged.write_bytes(contents)
    report = restore_backup(Files(), scene.request(mode=TransferMode.COPY))
    assert report.bytes_reused == sum(path.stat().st_size for path in tables[1:])
    assert report.bytes_written >= len(contents)
    assert state_of(scene.database) == scene.new


def test_a_killed_restore_is_resumed(scene: Scene) -> None:
    """What it had brought in is compared and used; what is half there is brought in again."""
    shutil.rmtree(scene.database)
    request = scene.request(mode=TransferMode.COPY, open_first=False)
    recording = Recording()
    restore_backup(recording, request)
    shutil.rmtree(scene.database)
    all_is_there = recording.names.index("sync_all") + 1
    assert dies(partial(restore_backup, Dying(all_is_there), request))
    report = restore_backup(Files(), request)
    assert report.bytes_reused > 0
    assert report.bytes_reused + report.bytes_written == report.bytes_total
    assert state_of(scene.database) == scene.new


def test_a_plan_tells_and_touches_nothing(scene: Scene) -> None:
    before = sorted(scene.folder.rglob("*"))
    plan = plan_restore(Files(), scene.request())
    assert plan.obstacles == ()
    assert plan.bytes_total == plan.bytes_to_copy + plan.bytes_to_share + plan.bytes_reusable
    assert "before-restore" in plan.present
    assert sorted(scene.folder.rglob("*")) == before
    assert state_of(scene.database) == scene.old


def test_a_plan_names_what_is_in_the_way(scene: Scene) -> None:
    with running_writer(scene.database, seed=SEED, value_scale=0.05, resume=True) as writer:
        plan = plan_restore(Files(), scene.request())
        assert any(f"process {writer.pid}" in obstacle for obstacle in plan.obstacles)


def test_discarding_what_restores_have_kept(scene: Scene) -> None:
    restore_backup(Files(), scene.request())
    restore_backup(Files(), scene.request())
    assert len(discard_previous(Files(), scene.database)) == 2
    assert list(scene.folder.glob("db.*")) == []
    assert state_of(scene.database) == scene.new
    shutil.rmtree(scene.database)
    with pytest.raises(RestoreRefused, match="may be all there is"):
        discard_previous(Files(), scene.database)


def test_the_owner_and_mode_of_what_is_replaced_are_kept(scene: Scene) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    for path in (scene.database, *scene.database.rglob("*")):
        os.chown(path, 12345, 12345)
    scene.database.chmod(0o710)
    restore_backup(Files(), scene.request(mode=TransferMode.COPY))
    assert scene.database.stat().st_mode & 0o7777 == 0o710
    assert {path.stat().st_uid for path in (scene.database, *scene.database.iterdir())} == {12345}
