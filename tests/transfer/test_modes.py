"""Each way into a repository costs what it should: links no blocks, clones shared extents, copies their bytes."""

from __future__ import annotations

import array
import fcntl
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.file_systems import MountedFolders, bound
from tests.support.command import create, refuse, restore, verify
from tests.support.databases import SEED, Template, check_killed
from tests.support.killing import Run
from tests.support.untouched import is_clean, untouched
from workload import shapes
from workload.driver import running_writer
from workload.prefix import check_in_subprocess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    CopyOf = Callable[[str, Path], Path]

_FIEMAP = 0xC020660B
_SYNC, _LAST, _SHARED = 0x1, 0x1, 0x2000
_EXTENTS = 64


def shared_extents(path: Path) -> list[bool]:
    """For each extent of a file: whether another file has it too (FS_IOC_FIEMAP)."""
    head = array.array("Q", [0, (1 << 64) - 1, _SYNC, _EXTENTS])
    request = bytearray(head.tobytes()[:16] + _SYNC.to_bytes(4, "little") + bytes(4) + _EXTENTS.to_bytes(4, "little"))
    request += bytes(4) + bytes(56 * _EXTENTS)
    with path.open("rb") as file:
        fcntl.ioctl(file, _FIEMAP, request)
    count = int.from_bytes(request[20:24], "little")
    flags = [int.from_bytes(request[32 + 56 * at + 40 :][:4], "little") for at in range(count)]
    return [bool(flag & _SHARED) for flag in flags]


def stored(repository: Path, database: Path) -> list[tuple[Path, Path]]:
    """(file in the repository, file in the database) of each shared file."""
    pairs = []
    for path in sorted((repository / "shared_checksum").iterdir()):
        number, suffix = path.name.split("_")[0], path.suffix
        pairs.append((path, database / f"{number}{suffix}"))
    assert pairs
    return pairs


@pytest.mark.parametrize("kind", ["plain", "ext4", "xfs", "btrfs"])
def test_link_mode_writes_no_data_blocks(copy_of: CopyOf, mounted: MountedFolders, kind: str) -> None:
    folder = mounted(kind)
    database = copy_of("blobs", folder / "db")
    os.sync()
    report = create(database, folder / "repo", "--transfer-mode", "hardlink")
    assert report["bytes_linked"] > 8 << 20
    assert report["bytes_copied"] < 64 << 10
    for path, original in stored(folder / "repo", database):
        assert path.stat().st_ino == original.stat().st_ino
    ours = sum(path.lstat().st_blocks * 512 for path in (folder / "repo" / "private").rglob("*"))
    assert ours < 128 << 10
    verify(folder / "repo")
    is_clean(folder / "repo", database)


def test_link_mode_writes_few_bytes_at_all(copy_of: CopyOf, tmp_path: Path, strace: str) -> None:
    """All bytes that any process of the command gives to write(2) and its kin; the database has 8 MB."""
    database = copy_of("blobs", tmp_path / "db")
    calls = "trace=write,pwrite64,writev,copy_file_range,sendfile"
    create(database, tmp_path / "repo", prefix=[strace, "-f", "-qq", "-o", str(tmp_path / "trace"), "-e", calls])
    written = sum(int(count) for count in re.findall(r"= (\d+)$", (tmp_path / "trace").read_text(), re.MULTILINE))
    assert 0 < written < 128 << 10


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_reflink_mode_shares_extents_and_has_other_inodes(copy_of: CopyOf, mounted: MountedFolders, kind: str) -> None:
    folder = mounted(kind)
    database = copy_of("blobs", folder / "db")
    os.sync()
    with untouched(database):
        report = create(database, folder / "repo", "--transfer-mode", "reflink")
    assert report["bytes_cloned"] > 8 << 20
    for path, original in stored(folder / "repo", database):
        assert path.stat().st_ino != original.stat().st_ino
        assert path.read_bytes() == original.read_bytes()
        if original.stat().st_size > 64 << 10:
            extents = shared_extents(path)
            assert extents
            assert all(extents)
    verify(folder / "repo")
    restore(folder / "repo", folder / "restored", "--transfer-mode", "reflink")
    blob = next((folder / "restored").glob("*.blob"))
    assert all(shared_extents(blob))


def test_reflink_mode_where_there_are_none(copy_of: CopyOf, mounted: MountedFolders) -> None:
    folder = mounted("ext4")
    database = copy_of("small", folder / "db")
    with untouched(database):
        arguments = ("checkpoint", "create", "--db-path", database, "--path", folder / "repo")
        message = refuse(34, "transfer-mode-unsupported", *arguments, "--transfer-mode", "reflink")
    assert "cannot reflink" in message
    is_clean(folder / "repo", database)


@pytest.mark.parametrize("mode", ["hardlink", "reflink"])
def test_no_link_and_no_clone_to_another_file_system(copy_of: CopyOf, mounted: MountedFolders, mode: str) -> None:
    database, folder = copy_of("small", mounted("xfs") / "db"), mounted("ext4")
    with untouched(database):
        arguments = ("checkpoint", "create", "--db-path", database, "--path", folder / "repo")
        refuse(34, "transfer-mode-unsupported", *arguments, "--transfer-mode", mode)
    is_clean(folder / "repo", database)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_copy_from_one_file_system_to_another(copy_of: CopyOf, mounted: MountedFolders, kind: str) -> None:
    database, folder = copy_of("blobs", mounted("plain") / "db"), mounted(kind)
    with untouched(database):
        report = create(database, folder / "repo")
    assert report["bytes_copied"] == report["bytes_total"]
    verify(folder / "repo")
    is_clean(folder / "repo", database)


def test_the_snapshot_stays_pinned_while_the_owner_compacts_its_files_away(
    mounted: MountedFolders, tmp_path: Path, seed: int
) -> None:
    database, repository = tmp_path / "db", mounted("ext4") / "repo"
    with running_writer(database, seed=seed, format_version=5, rate=20_000) as writer:
        writer.advance(3000)
        lower = writer.acknowledged
        options = ("--transfer-mode", "copy", "--max-bytes-per-second", "4MB", "--json")
        run = Run("checkpoint", "create", "--db-path", database, "--path", repository, *options)
        staging = repository / ".walrus-fast" / "staging" / str(run.process.pid)
        run.wait_until("no copy begins", (staging / "incoming").exists)
        upper = writer.acknowledged + 1
        pinned = {path.name for path in tmp_path.glob(".db.walrus-fast-pins/*/*") if path.suffix != ".log"}
        assert pinned
        run.wait_until("no file is compacted away", lambda: pinned - {path.name for path in database.iterdir()})
        assert run.process.poll() is None, "the copy was done before the owner deleted anything"
        run.process.communicate(timeout=60)
        assert run.process.returncode == 0
        writer.assert_alive()
    verify(repository)
    is_clean(repository, database)
    restore(repository, tmp_path / "restored")
    check_in_subprocess(tmp_path / "restored", seed, lower=lower, upper=upper)


@pytest.mark.parametrize("kind", ["plain", "xfs"])
def test_a_read_only_mount_of_the_database_is_pinned_by_descriptors(
    copy_of: CopyOf, mounted: MountedFolders, templates: dict[str, Template], tmp_path: Path, root: None, kind: str
) -> None:
    folder = mounted(kind)
    database = copy_of("killed", folder / "db")
    with bound(database, tmp_path / "mount", read_only=True) as mount, untouched(database):
        report = create(mount, folder / "repo")
        # The mount forbids names of ours in it, not clones of its bytes.
        assert bool(report["bytes_cloned"]) == (kind == "xfs")
        assert create(mount, folder / "repo")["files_new"] == 0
    verify(folder / "repo")
    is_clean(folder / "repo", database)
    restore(folder / "repo", tmp_path / "restored")
    check_killed(tmp_path / "restored", templates["killed"])


def test_a_user_who_may_read_and_not_link(copy_of: CopyOf, tmp_path: Path, root: None, unprivileged: list[str]) -> None:
    """fs.protected_hardlinks: files of another user are not linked; they are copied instead."""
    database = copy_of("killed", tmp_path / "db")
    subprocess.run(["chown", "-R", "nobody", str(database)], check=True)
    subprocess.run(["chmod", "-R", "go+rX", str(database)], check=True)
    report = create(database, tmp_path / "repo", prefix=unprivileged)
    assert report["bytes_linked"] == 0
    verify(tmp_path / "repo")


def test_an_unchanged_database_is_not_read_again(copy_of: CopyOf, tmp_path: Path, strace: str) -> None:
    database, repository = copy_of("blobs", tmp_path / "db"), tmp_path / "repo"
    for options in ((), ("--transfer-mode", "copy")):
        create(database, repository, *options)
        report = create(database, repository, *options, prefix=traced(strace, tmp_path))
        assert report["files_new"] == 0
        assert report["bytes_reused"] > 8 << 20
        assert report["bytes_read"] < 64 << 10
        assert opened(tmp_path) == set()


def test_of_a_changed_database_only_new_files_are_read(copy_of: CopyOf, tmp_path: Path, strace: str) -> None:
    database, repository = copy_of("blobs", tmp_path / "db"), tmp_path / "repo"
    create(database, repository)
    before = {path.name for path in database.iterdir()}
    shapes.touch(database, 0.01)
    new = {path.name for path in database.iterdir() if path.suffix in (".sst", ".blob")} - before
    report = create(database, repository, prefix=traced(strace, tmp_path))
    assert report["files_new"] == len(new) == 2
    assert {name.split("/")[-1].split("_")[0] for name in opened(tmp_path)} <= {
        name.split(".")[0] for name in new
    } | new
    verify(repository)


def traced(strace: str, folder: Path) -> list[str]:
    return [strace, "-f", "-qq", "-y", "-o", str(folder / "opens"), "-e", "trace=open,openat,openat2"]


def opened(folder: Path) -> set[str]:
    """Table and blob files that any process of the command has opened."""
    calls = (folder / "opens").read_text()
    assert "CURRENT" in calls
    return set(re.findall(r'"([^"]+\.(?:sst|blob))"', calls))


def test_a_restored_database_finds_its_files_in_the_repository(copy_of: CopyOf, tmp_path: Path) -> None:
    """Other inodes and times, same tables: known by their names, as RocksDB knows them."""
    database, repository = copy_of("tables", tmp_path / "db"), tmp_path / "repo"
    create(database, repository, "--transfer-mode", "copy")
    restore(repository, tmp_path / "restored", "--transfer-mode", "copy")
    report = create(tmp_path / "restored", repository, "--transfer-mode", "copy")
    assert report["files_new"] == 0
    assert report["bytes_read"] < 64 << 10


def test_pins_may_lie_where_the_operator_says(copy_of: CopyOf, mounted: MountedFolders) -> None:
    folder, repository = mounted("plain"), mounted("ext4") / "repo"
    database = copy_of("killed", folder / "db")
    create(database, repository, "--pin-dir", folder / "pins")
    assert not (folder / "pins").exists()
    assert SEED
