"""A repository that RocksDB's own tool made, with a damaged backup in it, is taken over."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support import command
from tests.support.untouched import untouched
from tests.verify.backups import damage, file_of_kind, flip_bit
from walrus_fast.files import Files
from walrus_fast.operations.backup.adopt import TOOL, adopt_repository
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.operations.restore.restore import RestoreRequest, restore_backup
from walrus_fast.repository.catalog import load_backup
from walrus_fast.repository.layout import Layout
from walrus_fast.repository.verification import Tier
from walrus_fast.snapshot.model import SnapshotRequest
from workload import shapes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def made_by_ldb(tmp_path_factory: pytest.TempPathFactory, ldb: str) -> Path:
    """A folder with `db` and `repo`: three backups, a little changed between them."""
    folder = tmp_path_factory.mktemp("ldb")
    shapes.tables(folder / "db", 1 << 20, file_size=256 << 10, format_version=5)
    for _ in range(3):
        arguments = [f"--db={folder / 'db'}", f"--backup_dir={folder / 'repo'}", "--ignore_unknown_options", "backup"]
        subprocess.run([ldb, *arguments], check=True, capture_output=True, timeout=60)
        shapes.touch(folder / "db", 0.1)
    return folder


@pytest.fixture
def foreign(made_by_ldb: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made_by_ldb, tmp_path / "ldb") / "repo"


def test_sound_backups_are_adopted_and_nothing_else_changes(foreign: Path) -> None:
    with untouched(foreign / "meta", foreign / "private", foreign / "shared_checksum"):
        report = adopt_repository(Files(), foreign)
    assert [(backup.adopted, backup.hidden, backup.problems) for backup in report.backups] == [(True, False, ())] * 3
    backup = load_backup(Files(), Layout(foreign), 2)
    assert backup.manifest is not None
    assert backup.manifest.tool == TOOL
    assert backup.manifest.families == ("default",)
    assert all(file.xxh3 for file in backup.files)
    verified = verify_backups(Files(), foreign, tier=Tier.ROWS)
    assert {verdict.tier for verdict in verified.backups} == {Tier.ROWS}
    assert verified.not_recorded == ""


def test_adopting_again_reads_nothing(foreign: Path) -> None:
    adopt_repository(Files(), foreign)
    report = adopt_repository(Files(), foreign)
    assert report.files_read == 0
    assert all(backup.was_ours for backup in report.backups)


def test_damage_that_rocksdbs_list_hides_is_named(foreign: Path, ldb: str) -> None:
    path = next(path for path in sorted((foreign / "private/2").iterdir()) if path.name.startswith("MANIFEST"))
    path.unlink()
    report = adopt_repository(Files(), foreign)
    assert [backup.adopted for backup in report.backups] == [True, False, True]
    (hidden,) = report.damaged
    assert (hidden.backup_id, hidden.hidden) == (2, True)
    assert f"private/2/{path.name} is missing" in hidden.problems


def test_damage_that_rocksdbs_list_shows_as_good_is_named(foreign: Path) -> None:
    path = file_of_kind(foreign, 1, "table")
    flip_bit(foreign / path, 12345)
    report = adopt_repository(Files(), foreign)
    assert report.damaged
    for backup in report.damaged:
        assert not backup.hidden
        assert path in backup.problems[0]
        assert not (foreign / f".walrus-fast/manifests/{backup.backup_id}").exists()
    assert 1 in {backup.backup_id for backup in report.damaged}


def test_an_unreadable_meta_hides_a_backup(foreign: Path) -> None:
    damage(foreign, "meta/3", "current", "truncated")
    (foreign / "meta/3").write_bytes(b"nonsense\n")
    report = adopt_repository(Files(), foreign)
    assert [(backup.adopted, backup.hidden) for backup in report.backups] == [
        (True, False),
        (True, False),
        (False, True),
    ]


def test_an_adopted_repository_goes_on(foreign: Path, tmp_path: Path) -> None:
    adopt_repository(Files(), foreign)
    database = foreign.parent / "db"
    report = create_backup(Files(), CreateRequest(SnapshotRequest(database), foreign))
    assert report.backup_id == 4
    assert not verify_backups(Files(), foreign, tier=Tier.ROWS).damaged
    for id_ in (2, 4):
        restore_backup(Files(), RestoreRequest(foreign, tmp_path / f"restored-{id_}", backup_id=id_))


def test_the_command_says_what_the_list_hides(foreign: Path) -> None:
    next(path for path in (foreign / "private/2").iterdir() if path.name.startswith("OPTIONS")).unlink()
    outcome = command.run("checkpoint", "adopt", "--path", foreign)
    assert outcome.status == 25
    assert "DAMAGED, and hidden by RocksDB's own list" in outcome.stdout
    assert outcome.stdout.count(": adopted") == 2
    assert command.run("checkpoint", "adopt", "--path", foreign, "--json").document["backups"][1]["hidden"] is True
