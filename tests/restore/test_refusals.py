"""A restore that would destroy or fail is refused before anything is touched; what it replaces is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.file_systems import bound, file_system, fill
from tests.support.command import create, refuse, restore
from tests.support.databases import SEED, Template, check_killed
from tests.support.untouched import siblings, untouched
from workload.driver import running_writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    CopyOf = Callable[[str, Path], Path]


def refused(status: int, code: str, repository: Path, target: Path, *options: object) -> str:
    arguments = ("restore", "--db-checkpoint-path", repository, "--db-path", target, *options)
    with untouched(target, repository):
        message = refuse(status, code, *arguments)
    assert not siblings(target)
    return message


def test_a_running_database_is_not_replaced(tmp_path: Path, repository: Path, seed: int) -> None:
    with running_writer(tmp_path / "db", seed=seed, format_version=5) as writer:
        create(tmp_path / "db", repository)
        arguments = ("restore", "--db-checkpoint-path", repository, "--db-path", tmp_path / "db")
        assert f"process {writer.pid}" in refuse(12, "database-owned", *arguments, "--force")
        writer.advance(100)
    assert not siblings(tmp_path / "db")


def test_another_database_is_not_replaced_without_force(copy_of: CopyOf, tmp_path: Path, repository: Path) -> None:
    database = copy_of("killed", tmp_path / "db")
    create(copy_of("other", tmp_path / "other"), repository)
    message = refused(35, "restore-refused", repository, database)
    assert str(database) in message
    report = restore(repository, database, "--force")
    assert report["previous"] is not None


def test_a_target_that_is_a_file(database: Path, repository: Path, tmp_path: Path) -> None:
    create(database, repository)
    (tmp_path / "file").write_bytes(b"precious")
    assert str(tmp_path / "file") in refused(35, "restore-refused", repository, tmp_path / "file")


def test_a_mount_point_is_restored_within(
    copy_of: CopyOf, tmp_path: Path, repository: Path, templates: dict[str, Template], root: None
) -> None:
    """It cannot be renamed: its contents are exchanged, and the old ones stay on the same file system."""
    create(copy_of("killed", tmp_path / "db"), repository)
    with bound(tmp_path / "db", tmp_path / "mount") as mount:
        report = restore(repository, mount)
        assert report["previous"].startswith(f"{mount}/")
        check_killed(mount, templates["killed"])


def test_a_link_is_followed_and_stays(
    copy_of: CopyOf, tmp_path: Path, repository: Path, templates: dict[str, Template]
) -> None:
    database = copy_of("killed", tmp_path / "disk" / "db")
    (tmp_path / "link").symlink_to(database)
    create(tmp_path / "link", repository)
    (database / "CURRENT").unlink()
    restore(repository, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    check_killed(database, templates["killed"])


def test_a_disk_that_is_too_small(copy_of: CopyOf, tmp_path: Path, repository: Path, root: None) -> None:
    create(copy_of("blobs", tmp_path / "db"), repository)
    with file_system(tmp_path / "disk", "ext4", megabytes=40) as disk:
        target = copy_of("small", disk / "db")
        fill(disk, leave=4 << 20)
        message = refused(31, "disk-full", repository, target, "--force")
        assert str(disk) in message
        assert "free" in message


def test_what_is_not_rocksdbs_survives(
    copy_of: CopyOf, tmp_path: Path, repository: Path, templates: dict[str, Template]
) -> None:
    database = copy_of("killed", tmp_path / "db")
    create(database, repository)
    (database / "notes.txt").write_bytes(b"do not lose")
    (database / "folder").mkdir()
    (database / "folder" / "more").write_bytes(b"nor this")
    report = restore(repository, database)
    assert (database / "notes.txt").read_bytes() == b"do not lose"
    assert (database / "folder" / "more").read_bytes() == b"nor this"
    assert report["previous"] is not None
    assert not siblings(database)
    check_killed(database, templates["killed"])
    assert SEED


def test_writing_to_the_restored_database_leaves_the_backup_alone(
    copy_of: CopyOf, tmp_path: Path, repository: Path
) -> None:
    create(copy_of("killed", tmp_path / "db"), repository)
    restore(repository, tmp_path / "restored")
    with (
        untouched(repository),
        running_writer(tmp_path / "restored", seed=SEED, format_version=5, resume=True) as writer,
    ):
        writer.advance(2000)
        writer.stop()
