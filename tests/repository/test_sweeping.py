"""Leftovers go with the next writer; what another backup needs, or may need, never does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command import backups, create, restore, succeed, verify
from tests.support.untouched import is_clean, untouched
from walrus_fast.files import Files
from walrus_fast.repository.commit import next_backup_id
from walrus_fast.repository.layout import prepare_repository
from workload import shapes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    CopyOf = Callable[[str, Path], Path]


@pytest.fixture
def filled(copy_of: CopyOf, tmp_path: Path, repository: Path) -> Path:
    """Two backups that share files; each has some of its own."""
    database = copy_of("blobs", tmp_path / "db")
    create(database, repository)
    shapes.touch(database, 0.1)
    create(database, repository)
    return repository


def leave(repository: Path) -> list[Path]:
    """What a writer may leave that dies at the worst moment."""
    ours = repository / ".walrus-fast"
    (ours / "staging" / "4711" / "pins").mkdir(parents=True)
    (repository / "private" / "3").mkdir()
    leftovers = [
        ours / "staging" / "4711" / "pins" / "000001.sst",
        ours / "staging" / "4711" / "meta.new",
        ours / "manifests" / "3",
        repository / "private" / "3" / "CURRENT",
        repository / "shared_checksum" / "000099_sABC_5.sst",
    ]
    for path in leftovers:
        path.write_bytes(b"half ")
    return leftovers


def test_leftovers_go_with_the_next_writer(filled: Path, tmp_path: Path) -> None:
    leave(filled)
    report = create(tmp_path / "db", filled)
    assert report["backup_id"] == 3
    is_clean(filled)
    assert not any(verdict["problems"] for verdict in verify(filled)["backups"])


def test_readers_sweep_nothing(filled: Path, tmp_path: Path) -> None:
    leave(filled)
    with untouched(filled):
        backups(filled)
        verify(filled)
        restore(filled, tmp_path / "restored")


def test_deleting_keeps_what_others_need(filled: Path, tmp_path: Path) -> None:
    before = {path.name for path in (filled / "shared_checksum").iterdir()}
    succeed("checkpoint", "delete", "--path", filled, "--checkpoint-id", 1)
    is_clean(filled)
    kept = {path.name for path in (filled / "shared_checksum").iterdir()}
    assert kept <= before
    assert len(kept) > 8
    assert not any(verdict["problems"] for verdict in verify(filled)["backups"])
    restore(filled, tmp_path / "restored")
    succeed("checkpoint", "delete", "--path", filled, "--checkpoint-id", 2)
    assert list((filled / "shared_checksum").iterdir()) == []


@pytest.mark.parametrize("leftovers", [False, True])
def test_an_unreadable_meta_keeps_every_shared_file(filled: Path, leftovers: bool) -> None:
    (filled / "meta" / "2").write_bytes(b"garbage")
    if leftovers:
        leave(filled)
    before = {path.name for path in (filled / "shared_checksum").iterdir()}
    report = succeed("checkpoint", "delete", "--path", filled, "--checkpoint-id", 1)
    assert report["shared_files_kept"] is True
    assert {path.name for path in (filled / "shared_checksum").iterdir()} == before
    succeed("checkpoint", "delete", "--path", filled, "--checkpoint-id", 2)
    assert list((filled / "shared_checksum").iterdir()) == []


def test_the_next_id_is_above_all_that_was_ever_used(repository: Path) -> None:
    files = Files()
    layout = prepare_repository(files, repository)
    assert next_backup_id(files, layout) == 1
    (layout.meta / "12").write_bytes(b"garbage")
    for name in ("007", "notes", "99.tmp", "0", "-5", "1e3"):
        (layout.meta / name).write_bytes(b"")
    assert next_backup_id(files, layout) == 13
    (layout.private / "20").mkdir()
    assert next_backup_id(files, layout) == 21
