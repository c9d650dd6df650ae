"""A backup that was damaged or forged: found, named, refused; others stay restorable and nothing is deleted."""

from __future__ import annotations

import shutil
from collections.abc import Callable  # noqa: TC003  (module-level tables are annotated with it)
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.command import backups, create, refuse, restore, run, succeed
from tests.support.untouched import untouched
from walrus_fast.errors import BackupDamaged
from walrus_fast.files import Files
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.operations.restore.restore import RestoreRequest, restore_backup

if TYPE_CHECKING:
    from tests.support.databases import Template


@pytest.fixture(scope="module")
def two_backups(tmp_path_factory: pytest.TempPathFactory, templates: dict[str, Template]) -> Path:
    """A repository whose backups 1 and 2 are of different databases, so that they share no file; copies only."""
    folder = tmp_path_factory.mktemp("two")
    shutil.copytree(templates["killed"].folder, folder / "first")
    shutil.copytree(templates["small"].folder, folder / "second")
    for name in ("first", "second"):
        create(folder / name, folder / "repo", "--transfer-mode", "copy")
    return folder / "repo"


@pytest.fixture
def repository(two_backups: Path, tmp_path: Path) -> Path:
    """A copy whose backup 1 may be damaged."""
    return Path(shutil.copytree(two_backups, tmp_path / "repo", symlinks=True))


def lines_of(repository: Path) -> list[str]:
    return (repository / "meta" / "1").read_text().splitlines()


def rewrite(repository: Path, lines: list[str]) -> None:
    (repository / "meta" / "1").write_text("\n".join(lines) + "\n")


def is_refused(repository: Path, *named: str) -> None:
    """Backup 1 is found damaged and is not restored, 2 is whole; nothing is changed by finding out."""
    target = repository.parent / "restored"
    with untouched(repository, target):
        outcome = run("checkpoint", "verify", "--path", repository, "--json")
        assert outcome.status == 25, outcome
        assert outcome.message == f"damaged in {repository}: backup 1"
        first, second = outcome.document["backups"]
        assert not second["problems"]
        for name in named:
            assert any(name in problem for problem in first["problems"]), first
        message = refuse(
            25,
            "backup-damaged",
            "restore",
            "--db-checkpoint-path",
            repository,
            "--db-path",
            target,
            "--checkpoint-id",
            1,
        )
        assert "backup 1" in message


def is_still_restored(repository: Path) -> None:
    """Backup 2 is there for whoever needs it, and 1 is shown as what it is."""
    assert [backup["damaged"] for backup in backups(repository)] == [True, False]
    restore(repository, repository.parent / "restored", "--checkpoint-id", 2)


PATHS = [
    "../../escape.sst",
    "shared_checksum/../../escape.sst",
    "/etc/passwd",
    "private/1/../../../escape",
    "private/2/CURRENT",
    "private/1//CURRENT",
    "private/1/sub/CURRENT",
    "meta/2",
    "shared_checksum/.hidden.sst",
    ".walrus-fast/lock",
    "",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_leads_elsewhere(repository: Path, path: str) -> None:
    lines = lines_of(repository)
    lines[-1] = f"{path} crc32 0"
    rewrite(repository, lines)
    is_refused(repository, "not a path of this backup")


def test_a_forged_schema_2_meta_cannot_read_foreign_files_either(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    for path in ("../secret", str(tmp_path / "secret"), "private/1/../../../secret"):
        rewrite(repository, ["schema_version 2.1", "1", "1", "1", path])
        is_refused(repository, "not a path of this backup")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda lines: [*lines[:2], str(int(lines[2]) + 1), *lines[3:]], "announced"),
        (lambda lines: [*lines[:2], str(int(lines[2]) - 1), *lines[3:]], "more lines"),
        (lambda lines: [*lines[:2], "99999999999999999999", *lines[3:]], "not a number"),
        (lambda lines: [*lines[:2], "18446744073709551615", *lines[3:]], "announced"),
        (lambda lines: [*lines[:2], "-1", *lines[3:]], "line"),
        (lambda lines: ["never", *lines[1:]], "the time"),
        (lambda lines: [lines[0], "", *lines[2:]], "the sequence number"),
        (lambda lines: [*lines[:4], lines[4].replace("crc32", "md5"), *lines[5:]], "line 5"),
        (lambda lines: [*lines[:4], lines[4] + "0000000000", *lines[5:]], "line 5"),
        (lambda lines: [*lines[:4], lines[3], *lines[5:]], "one name"),
        (lambda lines: lines[:2], "too early"),
        (lambda lines: ["schema_version 3.0", *lines], "schema version 3.0"),
        (lambda lines: [*lines[:2], "metadata xyz", *lines[2:]], "hexadecimal"),
    ],
    ids=[
        *("count+1", "count-1", "count-too-long", "count-2^64", "count-negative", "no-time", "no-sequence"),
        *("field", "crc-too-large", "twice", "cut", "schema-3", "metadata"),
    ],
)
def test_a_damaged_line(repository: Path, change: Callable[[list[str]], list[str]], named: str) -> None:
    rewrite(repository, change(lines_of(repository)))
    is_refused(repository, "meta/1", named)


@pytest.mark.parametrize("contents", [b"", b"\n", b"\0" * 100, "ümläut\n".encode(), b"\xff" * 1000])
def test_a_meta_that_is_no_text(repository: Path, contents: bytes) -> None:
    (repository / "meta" / "1").write_bytes(contents)
    is_refused(repository, "meta/1")


def test_a_meta_that_is_a_link(repository: Path) -> None:
    meta = repository / "meta" / "1"
    meta.rename(repository / "elsewhere")
    meta.symlink_to(repository / "elsewhere")
    is_refused(repository, "meta/1")


def test_a_shared_file_that_is_a_link(repository: Path) -> None:
    name = next(line.split(" ")[0] for line in lines_of(repository) if line.startswith("shared_checksum/"))
    (repository / name).rename(repository.parent / "elsewhere")
    (repository / name).symlink_to(repository.parent / "elsewhere")
    is_refused(repository, name)


def test_a_private_folder_that_is_a_link(repository: Path) -> None:
    outside = repository.parent / "outside"
    (repository / "private" / "1").rename(outside)
    (repository / "private" / "1").symlink_to(outside)
    with untouched(outside):
        is_refused(repository, "private/1")
    is_still_restored(repository)


def test_deleting_a_backup_whose_private_folder_is_a_link_leaves_what_it_points_to(repository: Path) -> None:
    outside = repository.parent / "outside"
    (repository / "private" / "1").rename(outside)
    (repository / "private" / "1").symlink_to(outside)
    with untouched(outside):
        succeed("checkpoint", "delete", "--path", repository, "--checkpoint-id", 1)
    assert not (repository / "private" / "1").is_symlink()
    restore(repository, repository.parent / "restored")


KINDS: dict[str, Callable[[str], bool]] = {
    "table": lambda path: path.startswith("shared_checksum/") and path.endswith(".sst"),
    "blob": lambda path: path.endswith(".blob"),
    "wal": lambda path: path.endswith(".log"),
    "manifest": lambda path: "MANIFEST" in path,
    "current": lambda path: path.endswith("CURRENT"),
    "options": lambda path: "OPTIONS" in path,
}
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda data: None,
    "truncated": lambda data: data[:-1],
    "empty": lambda data: b"",
    "extended": lambda data: data + b"\0",
    "bit": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 16]) + data[len(data) // 2 + 1 :],
    "zeroed": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_of_each_kind(repository: Path, kind: str, damage: str) -> None:
    name = next(path for line in lines_of(repository) if KINDS[kind](path := line.split(" ")[0]))
    contents = DAMAGES[damage]((repository / name).read_bytes())
    (repository / name).unlink()
    if contents is not None:
        (repository / name).write_bytes(contents)
    if kind in ("table", "blob"):
        is_refused(repository, name)
    else:
        is_refused_in_process(repository, name)


def is_refused_in_process(repository: Path, name: str) -> None:
    """The same as `is_refused` without its two processes, which are most of its time."""
    target = repository.parent / "restored"
    with untouched(repository, target):
        first, second = verify_backups(Files(), repository).backups
        assert any(name in problem for problem in first.problems), first
        assert not second.problems
        with pytest.raises(BackupDamaged, match="backup 1"):
            restore_backup(Files(), RestoreRequest(repository, target, backup_id=1))


def test_a_damaged_file_of_a_backup_without_our_manifest(repository: Path) -> None:
    (repository / ".walrus-fast" / "manifests" / "1").unlink()
    name = next(path for line in lines_of(repository) if (path := line.split(" ")[0]).endswith(".blob"))
    contents = bytearray((repository / name).read_bytes())
    contents[-1] ^= 1
    (repository / name).write_bytes(contents)
    is_refused(repository, name)


@pytest.mark.parametrize("damage", ["bit", "truncated", "empty"])
def test_a_damaged_manifest_of_ours(repository: Path, damage: str) -> None:
    path = repository / ".walrus-fast" / "manifests" / "1"
    contents = DAMAGES[damage](path.read_bytes())
    assert contents is not None
    path.write_bytes(contents)
    is_refused(repository, "manifests/1")


def test_a_meta_of_another_backup(repository: Path) -> None:
    lines = lines_of(repository)
    lines[0] = str(int(lines[0]) + 1)
    rewrite(repository, lines)
    is_refused(repository, "manifests/1")
    is_still_restored(repository)


def test_a_backup_after_a_damaged_one_has_a_new_id_and_loses_nothing(repository: Path) -> None:
    (repository / "meta" / "2").rename(repository / "meta" / "9")
    (repository / "meta" / "9").write_bytes(b"garbage")
    before = {path.name for path in (repository / "shared_checksum").iterdir()}
    database = repository.parent / "db"
    restore(repository, database, "--checkpoint-id", 1)
    assert create(database, repository)["backup_id"] == 10
    assert before <= {path.name for path in (repository / "shared_checksum").iterdir()}
