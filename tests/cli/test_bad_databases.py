"""A database that is not there, or not whole: its own status and code, the thing is named, nothing has changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.command import create, refuse
from tests.support.untouched import siblings, untouched
from workload.driver import running_writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def stored(database: Path, repository: Path) -> Path:
    """The repository with one backup of the database, before the database is damaged."""
    create(database, repository)
    return repository


def refused(status: int, code: str, database: Path, repository: Path) -> str:
    with untouched(database, repository):
        message = refuse(status, code, "checkpoint", "create", "--db-path", database, "--path", repository)
    assert not siblings(database)
    return message


def manifest_of(database: Path) -> Path:
    return database / (database / "CURRENT").read_text().strip()


def of_kind(database: Path, suffix: str) -> Path:
    """A live file of that suffix: the backup's own list says which are live."""
    return max(path for path in database.iterdir() if path.suffix == suffix and path.stat().st_nlink == 2)


def replace(path: Path, contents: bytes) -> None:
    """Write contents under a new inode: the old one is linked into the repository."""
    path.unlink()
    path.write_bytes(contents)


def test_no_database_there(tmp_path: Path, stored: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for name in ("nothing", "empty", "file", "file/below"):
        assert f"no database at {tmp_path / name}" in refused(10, "database-not-found", tmp_path / name, stored)


def test_a_mistyped_database_makes_no_folders(tmp_path: Path) -> None:
    refused(10, "database-not-found", tmp_path / "no" / "such" / "db", tmp_path / "repo")
    assert list(tmp_path.iterdir()) == []


def test_no_current(database: Path, stored: Path) -> None:
    (database / "CURRENT").unlink()
    assert "no CURRENT" in refused(11, "database-damaged", database, stored)


@pytest.mark.parametrize("contents", [b"", b"\xff\xfe\0garbage", b"../MANIFEST-000001\n", b"MANIFEST-\n", b"x" * 4000])
def test_current_is_garbage(database: Path, stored: Path, contents: bytes) -> None:
    (database / "CURRENT").write_bytes(contents)
    message = refused(11, "database-damaged", database, stored)
    assert "CURRENT" in message
    assert str(database) in message


def test_manifest_missing(database: Path, stored: Path) -> None:
    manifest = manifest_of(database)
    manifest.unlink()
    message = refused(11, "database-damaged", database, stored)
    assert manifest.name in message


@pytest.mark.parametrize("size", [0, 5, 7, 20])
def test_manifest_ends_within_its_first_record(database: Path, stored: Path, size: int) -> None:
    manifest = manifest_of(database)
    os.truncate(manifest, size)
    message = refused(11, "database-damaged", database, stored)
    assert manifest.name in message
    assert "no complete record" in message


def test_manifest_with_a_flipped_bit_in_the_middle(database: Path, stored: Path) -> None:
    manifest = manifest_of(database)
    contents = bytearray(manifest.read_bytes())
    contents[20] ^= 1
    manifest.write_bytes(contents)
    assert manifest.name in refused(11, "database-damaged", database, stored)


@pytest.mark.parametrize("suffix", [".sst", ".blob"])
def test_a_live_file_is_missing(database: Path, stored: Path, suffix: str) -> None:
    victim = of_kind(database, suffix)
    victim.unlink()
    assert victim.name in refused(11, "database-damaged", database, stored)


@pytest.mark.parametrize("suffix", [".sst", ".blob"])
@pytest.mark.parametrize("change", [-1, 1], ids=["truncated", "extended"])
def test_a_live_file_has_another_size(database: Path, stored: Path, suffix: str, change: int) -> None:
    victim = of_kind(database, suffix)
    contents = victim.read_bytes()
    replace(victim, contents[:-1] if change < 0 else contents + b"\0")
    message = refused(11, "database-damaged", database, stored)
    assert victim.name in message
    assert str(len(contents) + change) in message


def test_a_table_that_is_no_table(database: Path, stored: Path) -> None:
    victim = of_kind(database, ".sst")
    replace(victim, bytes(victim.stat().st_size))
    assert victim.name in refused(11, "database-damaged", database, stored)


def test_a_live_file_is_a_symbolic_link(database: Path, stored: Path, tmp_path: Path) -> None:
    victim = of_kind(database, ".sst")
    (tmp_path / "elsewhere").write_bytes(victim.read_bytes())
    victim.unlink()
    victim.symlink_to(tmp_path / "elsewhere")
    with untouched(database, stored):
        assert victim.name in refuse(30, "storage", "checkpoint", "create", "--db-path", database, "--path", stored)


def test_a_wal_folder_that_is_not_there(tmp_path: Path, seed: int, repository: Path) -> None:
    with running_writer(tmp_path / "db", seed=seed, wal_dir=tmp_path / "wals", format_version=5) as writer:
        writer.kill()
    create(tmp_path / "db", repository)
    (tmp_path / "wals").rename(tmp_path / "moved")
    message = refused(10, "database-not-found", tmp_path / "db", repository)
    assert str(tmp_path / "wals") in message
    create(tmp_path / "db", repository, "--wal-dir", tmp_path / "moved")


def test_a_database_that_may_not_be_read(
    copy_of: Callable[[str, Path], Path], tmp_path: Path, repository: Path, unprivileged: list[str]
) -> None:
    database = copy_of("small", tmp_path / "db")
    database.chmod(0)
    try:
        message = refuse(
            32,
            "not-permitted",
            "checkpoint",
            "create",
            "--db-path",
            database,
            "--path",
            repository,
            prefix=unprivileged,
        )
    finally:
        database.chmod(0o755)
    assert str(database) in message
    assert not repository.exists()
