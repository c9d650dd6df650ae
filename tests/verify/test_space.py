"""The space that a list promises is the space that a deletion gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import command
from tests.verify.backups import back_up
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.keeping.space import measure_space
from workload.driver import running_writer

if TYPE_CHECKING:
    from pathlib import Path


def bytes_below(*folders: Path) -> int:
    """Bytes of files by unique inode."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                stat = path.stat()
                found[stat.st_ino] = stat.st_size
    return sum(found.values())


def held(repository: Path, database: Path) -> int:
    return bytes_below(repository / "private", repository / "shared_checksum", database)


@pytest.fixture(params=[TransferMode.HARDLINK, TransferMode.COPY])
def aged(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A database and its repository, with backups of which it no longer has every file."""
    database, repository = tmp_path / "db", tmp_path / "repo"
    with running_writer(database, seed=9, memtable_size=128 << 10) as writer:
        for _ in range(3):
            writer.advance(1500)
            back_up(database, repository, request.param)
        writer.advance(1500)
        writer.kill()
    return database, repository


def test_deleting_frees_exactly_what_was_said(aged: tuple[Path, Path]) -> None:
    database, repository = aged
    for id_ in (2, 1, 3):
        space = {backup.backup_id: backup for backup in measure_space(Files(), repository).backups}
        assert set(space) >= {id_}
        before = held(repository, database)
        delete_backup(Files(), repository, id_)
        assert before - held(repository, database) == space[id_].freed_by_deleting
        assert space[id_].freed_by_deleting <= space[id_].alone <= space[id_].size


def test_totals_count_no_byte_twice(aged: tuple[Path, Path]) -> None:
    database, repository = aged
    space = measure_space(Files(), repository)
    inside = bytes_below(repository / "private", repository / "shared_checksum")
    assert space.total == inside
    assert space.held_by_database + space.held_elsewhere + space.only_here == inside
    assert space.only_here == held(repository, database) - bytes_below(database)
    assert space.database == database
    assert space.pinned <= space.only_here


def test_a_name_elsewhere_is_not_freed(tmp_path: Path, aged: tuple[Path, Path]) -> None:
    _, repository = aged
    before = measure_space(Files(), repository)
    largest = max((repository / "private/1").iterdir(), key=lambda path: path.stat().st_size)
    (tmp_path / "another-name").hardlink_to(largest)
    after = measure_space(Files(), repository)
    size = largest.stat().st_size
    assert before.backups[0].freed_by_deleting - after.backups[0].freed_by_deleting == size
    assert after.held_elsewhere - before.held_elsewhere == size


def test_a_database_that_is_gone_holds_nothing(tmp_path: Path, aged: tuple[Path, Path]) -> None:
    database, repository = aged
    before = measure_space(Files(), repository)
    database.rename(tmp_path / "moved")
    assert measure_space(Files(), repository).held_by_database == 0
    moved = measure_space(Files(), repository, database=tmp_path / "moved")
    assert (moved.held_by_database, moved.pinned) == (before.held_by_database, before.pinned)


def test_the_table(aged: tuple[Path, Path]) -> None:
    _, repository = aged
    text = command.run("checkpoint", "list", "--path", repository, "--space").stdout
    assert "Deleting frees" in text
    assert "Kept by the repository alone" in text
    document = command.succeed("checkpoint", "list", "--path", repository, "--space")
    assert [backup["backup_id"] for backup in document["space"]["backups"]] == [1, 2, 3]
