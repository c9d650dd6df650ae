"""A repository path that cannot be one, or a backup that is not there: clear errors, nothing changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.file_systems import MountedFolders, bound, file_system, fill, remounted_read_only
from tests.support.command import backups, create, refuse, restore, succeed, verify
from tests.support.untouched import is_clean, siblings, untouched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def small(copy_of: Callable[[str, Path], Path], tmp_path: Path) -> Path:
    return copy_of("small", tmp_path / "db")


def create_refused(
    status: int, code: str, database: Path, repository: Path, *options: object, prefix: list[str]
) -> str:
    with untouched(database, repository):
        message = refuse(
            status, code, "checkpoint", "create", "--db-path", database, "--path", repository, *options, prefix=prefix
        )
    assert not siblings(database)
    return message


def test_the_path_is_a_file(small: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"precious")
    assert str(file) in create_refused(21, "repository-unusable", small, file, prefix=[])
    assert str(file) in create_refused(21, "repository-unusable", small, file / "below", prefix=[])
    with untouched(file):
        for command in (["list"], ["verify"], ["delete", "--checkpoint-id", "1"]):
            message = refuse(20, "repository-not-found", "checkpoint", *command, "--path", file)
            assert str(file) in message
        refuse(20, "repository-not-found", "restore", "--db-checkpoint-path", file, "--db-path", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_path_is_a_dangling_link(small: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert str(tmp_path / "link") in create_refused(21, "repository-unusable", small, tmp_path / "link", prefix=[])
    assert not (tmp_path / "nowhere").exists()


def test_the_path_is_not_writable(small: Path, repository: Path, unprivileged: list[str]) -> None:
    repository.mkdir()
    repository.chmod(0o500)
    message = create_refused(21, "repository-unusable", small, repository, prefix=unprivileged)
    assert str(repository) in message
    assert "Permission denied" in message
    below = repository / "below"
    assert str(below) in create_refused(21, "repository-unusable", small, below, prefix=unprivileged)


def test_a_repository_that_became_unwritable_is_still_read(
    small: Path, repository: Path, tmp_path: Path, unprivileged: list[str]
) -> None:
    create(small, repository)
    folders = [path for path in (repository, *repository.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(0o500)
    message = create_refused(32, "not-permitted", small, repository, prefix=unprivileged)
    assert str(repository) in message
    assert [
        backup["backup_id"]
        for backup in succeed("checkpoint", "list", "--path", repository, prefix=unprivileged)["backups"]
    ] == [1]
    restore(repository, tmp_path / "restored", prefix=unprivileged)


def test_the_path_holds_foreign_files(small: Path, repository: Path) -> None:
    repository.mkdir()
    (repository / "thesis.txt").write_bytes(b"five years")
    (repository / "pictures").mkdir()
    message = create_refused(22, "repository-foreign", small, repository, prefix=[])
    assert "thesis.txt" in message
    assert str(repository) in message


def test_the_database_itself_is_no_repository(small: Path) -> None:
    create_refused(21, "repository-unusable", small, small, prefix=[])


def test_the_root_of_a_file_system_may_be_a_repository(small: Path, tmp_path: Path, root: None) -> None:
    with file_system(tmp_path / "disk", "ext4", megabytes=40) as disk:
        assert (disk / "lost+found").is_dir()
        create(small, disk)
        verify(disk)


def test_a_backup_that_does_not_exist(small: Path, repository: Path, tmp_path: Path) -> None:
    create(small, repository)
    with untouched(repository, tmp_path / "new"):
        for arguments in (
            ("checkpoint", "verify", "--path", repository),
            ("checkpoint", "delete", "--path", repository),
            ("restore", "--db-checkpoint-path", repository, "--db-path", tmp_path / "new"),
        ):
            assert "no backup 7" in refuse(24, "backup-not-found", *arguments, "--checkpoint-id", 7)


def test_a_repository_without_backups(small: Path, repository: Path, tmp_path: Path) -> None:
    create(small, repository)
    succeed("checkpoint", "delete", "--path", repository, "--checkpoint-id", 1)
    is_clean(repository)
    assert backups(repository) == []
    assert verify(repository)["backups"] == []
    message = refuse(
        24, "backup-not-found", "restore", "--db-checkpoint-path", repository, "--db-path", tmp_path / "new"
    )
    assert str(repository) in message


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize("leave", [0, 64 << 10, 1 << 20])
def test_a_full_disk_in_copy_mode(
    copy_of: Callable[[str, Path], Path], tmp_path: Path, root: None, kind: str, leave: int
) -> None:
    database = copy_of("killed", tmp_path / "db")
    with file_system(tmp_path / "disk", kind) as disk:
        create(copy_of("small", tmp_path / "other"), disk / "repo")
        ballast = fill(disk, leave=leave)
        with untouched(database, disk / "repo" / "meta", disk / "repo" / "shared_checksum"):
            message = refuse(31, "disk-full", "checkpoint", "create", "--db-path", database, "--path", disk / "repo")
        assert str(disk) in message
        is_clean(disk / "repo", database)
        ballast.unlink()
        assert create(database, disk / "repo")["backup_id"] == 2
        verify(disk / "repo")


def test_a_disk_that_fills_up_only_while_copying(
    copy_of: Callable[[str, Path], Path], tmp_path: Path, root: None
) -> None:
    """Room was there when it was asked for; a limit of the file size stands for the disk that fills up since."""
    database = copy_of("tables", tmp_path / "db")
    arguments = ("checkpoint", "create", "--db-path", database, "--path", tmp_path / "repo", "--transfer-mode", "copy")
    outcome = refuse(30, "storage", *arguments, prefix=["prlimit", f"--fsize={2 << 20}"])
    assert "File too large" in outcome
    is_clean(tmp_path / "repo", database)
    assert backups(tmp_path / "repo") == []


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_full_disk_in_link_mode(copy_of: Callable[[str, Path], Path], tmp_path: Path, root: None, kind: str) -> None:
    with file_system(tmp_path / "disk", kind) as disk:
        database = copy_of("killed", disk / "db")
        create(database, disk / "repo")
        ballast = fill(disk, leave=0)
        with untouched(database, disk / "repo" / "meta", disk / "repo" / "shared_checksum"):
            refuse(31, "disk-full", "checkpoint", "create", "--db-path", database, "--path", disk / "repo")
        ballast.unlink()
        is_clean(disk / "repo", database)
        assert create(database, disk / "repo")["backup_id"] == 2


def test_a_full_database_disk_does_not_stop_a_backup_to_another(
    copy_of: Callable[[str, Path], Path], tmp_path: Path, root: None
) -> None:
    with file_system(tmp_path / "disk", "ext4", megabytes=40) as disk:
        database = copy_of("killed", disk / "db")
        fill(disk, leave=0)
        for number in range(10_000):  # use up the rest of the folder's blocks too
            try:
                (disk / "db" / f"x{number:0200d}").mkdir()
            except OSError:
                break
        create(database, tmp_path / "repo")
        verify(tmp_path / "repo")
        assert not siblings(database)


def test_a_file_system_without_hard_links(
    copy_of: Callable[[str, Path], Path], mounted: MountedFolders, root: None
) -> None:
    folder = mounted("no-links")
    database = folder / "db"
    database.mkdir()
    for path in copy_of("killed", mounted("plain") / "db").iterdir():
        (database / path.name).write_bytes(path.read_bytes())
    with untouched(database):
        message = refuse(
            34,
            "transfer-mode-unsupported",
            *("checkpoint", "create", "--db-path", database, "--path", folder / "repo", "--transfer-mode", "hardlink"),
        )
        assert "cannot hard-link" in message
        refuse(
            34,
            "transfer-mode-unsupported",
            *("checkpoint", "create", "--db-path", database, "--path", folder / "repo", "--transfer-mode", "reflink"),
        )
        is_clean(folder / "repo", database)
        report = create(database, folder / "repo")
    assert report["bytes_copied"] == report["bytes_total"]
    verify(folder / "repo")
    restore(folder / "repo", database)
    restore(folder / "repo", folder / "fresh")
    for name in ("db", "fresh"):
        assert (folder / name / "CURRENT").exists()
    assert not siblings(database)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_a_read_only_repository_is_listed_verified_and_restored(
    copy_of: Callable[[str, Path], Path], tmp_path: Path, root: None, kind: str
) -> None:
    database = copy_of("killed", tmp_path / "db")
    with file_system(tmp_path / "disk", kind) as disk:
        repository = disk / "repo"
        create(database, repository)
        with remounted_read_only(disk), untouched(repository):
            assert len(backups(repository)) == 1
            assert verify(repository)["backups"][0]["problems"] == []
            restore(repository, tmp_path / "restored")
            message = create_refused(32, "not-permitted", database, repository, prefix=[])
            assert "Read-only file system" in message
            refuse(32, "not-permitted", "checkpoint", "delete", "--path", repository, "--checkpoint-id", 1)


def test_a_fresh_path_on_a_read_only_mount(small: Path, tmp_path: Path, root: None) -> None:
    with bound(tmp_path, tmp_path.parent / "seen-read-only", read_only=True) as mount:
        message = create_refused(21, "repository-unusable", small, mount / "repo", prefix=[])
    assert "Read-only file system" in message


def test_too_few_descriptors_say_so(copy_of: Callable[[str, Path], Path], tmp_path: Path, root: None) -> None:
    database = copy_of("killed", tmp_path / "db")
    with bound(database, tmp_path / "mount", read_only=True) as mount:
        arguments = ("checkpoint", "create", "--db-path", mount, "--path", tmp_path / "repo")
        message = refuse(33, "too-many-open-files", *arguments, prefix=["prlimit", "--nofile=14:14"])
        assert "descriptor" in message or "Too many open files" in message
        is_clean(tmp_path / "repo", mount)
        assert os.listdir(tmp_path / "repo" / "meta") == []
