"""Both ways with RocksDB: its tools restore our backups, we restore its, and neither stores a file twice."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.command import backups, create, restore, verify
from tests.support.databases import Template, check_killed
from tests.support.untouched import fingerprint, is_clean

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    CopyOf = Callable[[str, Path], Path]
    Ldb = Callable[..., str]


@pytest.fixture
def run_ldb(ldb: str) -> Ldb:
    def run(command: str, database: Path, repository: Path) -> str:
        # 7.8 does not know all options of the OPTIONS file that 9.8 has written.
        options = ["--ignore_unknown_options"] if command == "backup" else []
        done = subprocess.run(
            [ldb, command, f"--db={database}", f"--backup_dir={repository}", *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done
        assert "Failed" not in done.stdout + done.stderr, done
        return done.stdout

    return run


def shared(repository: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (repository / "shared_checksum").iterdir()}


def settle(run_ldb: Ldb, database: Path, scratch: Path) -> None:
    """Open and close with `ldb` (each backup does) until its compactions have nothing left to do."""
    known: set[str] = set()
    scratch.mkdir()
    for attempt in range(10):
        run_ldb("backup", database, scratch / str(attempt))
        now = {path.name for path in database.iterdir() if path.suffix in (".sst", ".blob")}
        if now == known:
            return
        known = now
    pytest.fail("the database never settles")


def test_ldb_restores_our_backup(
    run_ldb: Ldb, database: Path, repository: Path, tmp_path: Path, templates: dict[str, Template]
) -> None:
    create(database, repository)
    run_ldb("restore", tmp_path / "restored", repository)
    assert check_killed(tmp_path / "restored", templates["killed"]).exact


def test_we_restore_the_backup_of_ldb(
    run_ldb: Ldb, database: Path, repository: Path, tmp_path: Path, templates: dict[str, Template]
) -> None:
    run_ldb("backup", database, repository)
    (backup,) = backups(repository)
    files = (repository / "meta" / "1").read_text().splitlines()[3:]
    assert backup["files"] == len(files)
    assert backup["size"] == sum((repository / line.split(" ")[0]).stat().st_size for line in files)
    assert not backup["damaged"]
    assert not verify(repository)["backups"][0]["problems"]
    restore(repository, tmp_path / "restored")
    assert check_killed(tmp_path / "restored", templates["killed"]).exact


def test_names_are_equal_byte_for_byte(run_ldb: Ldb, database: Path, tmp_path: Path) -> None:
    settle(run_ldb, database, tmp_path / "settling")
    create(database, tmp_path / "ours")
    run_ldb("backup", database, tmp_path / "theirs")
    ours, theirs = shared(tmp_path / "ours"), shared(tmp_path / "theirs")
    assert {name.rpartition(".")[2] for name in ours} == {"sst", "blob"}
    assert ours == theirs


def test_ldb_backs_up_into_a_repository_of_ours(
    run_ldb: Ldb, database: Path, repository: Path, tmp_path: Path, templates: dict[str, Template]
) -> None:
    settle(run_ldb, database, tmp_path / "settling")
    create(database, repository)
    before = fingerprint(repository / "shared_checksum")
    run_ldb("backup", database, repository)
    assert fingerprint(repository / "shared_checksum") == before
    assert [backup["damaged"] for backup in backups(repository)] == [False, False]
    assert not any(verdict["problems"] for verdict in verify(repository)["backups"])
    is_clean(repository, database)
    for number in (1, 2):
        restore(repository, tmp_path / f"restored-{number}", "--checkpoint-id", number)
        check_killed(tmp_path / f"restored-{number}", templates["killed"])


def test_we_back_up_into_a_repository_of_ldb(
    run_ldb: Ldb, database: Path, repository: Path, tmp_path: Path, templates: dict[str, Template]
) -> None:
    settle(run_ldb, database, tmp_path / "settling")
    run_ldb("backup", database, repository)
    before = fingerprint(repository / "shared_checksum")
    report = create(database, repository)
    assert report["backup_id"] == 2
    assert report["files_new"] == 0
    assert fingerprint(repository / "shared_checksum") == before
    assert not any(verdict["problems"] for verdict in verify(repository)["backups"])
    run_ldb("restore", tmp_path / "theirs", repository)
    check_killed(tmp_path / "theirs", templates["killed"])


def test_ldb_continues_after_us_and_we_after_it(run_ldb: Ldb, database: Path, repository: Path) -> None:
    for _ in range(2):
        create(database, repository)
        run_ldb("backup", database, repository)
    assert [backup["backup_id"] for backup in backups(repository)] == [1, 2, 3, 4]
    assert not any(verdict["problems"] for verdict in verify(repository)["backups"])
