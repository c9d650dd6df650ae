"""`doctor`: finds each thing that will go wrong, says so before it does, and changes nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.file_systems import file_system, fill
from tests.server.node import running_node, write_config
from tests.support.command import Outcome, run, succeed
from tests.support.untouched import untouched
from tests.verify.backups import back_up
from walrus_fast.doctor.mounts import disks_behind, mount_of
from walrus_fast.files import Files
from walrus_fast.probe.stand_ins import READER_VERSION
from walrus_fast.rocksdb.options import newest_options
from workload.driver import running_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.file_systems import MountedFolders

    CopyOf = Callable[[str, Path], Path]

STATUS = {"ok": 0, "warn": 3, "fail": 4}


def doctor(*arguments: object, prefix: Sequence[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """The findings by the name of their check; the verdict and the status are the worst of them."""
    outcome = run("doctor", *arguments, "--json", prefix=prefix)
    document = outcome.document
    assert "findings" in document, outcome
    worst = max((finding["verdict"] for finding in document["findings"]), key=STATUS.__getitem__)
    assert (outcome.status, document["verdict"], document["exit_status"]) == (STATUS[worst], worst, STATUS[worst])
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in document["findings"]:
        assert (finding["advice"] == "") is (finding["verdict"] == "ok"), "what is not well has advice"
        assert "could not be looked at" not in finding["text"], finding
        found.setdefault(finding["check"], []).append(finding)
    return found


def verdict(found: dict[str, list[dict[str, Any]]], check: str) -> str:
    """The worst verdict of a check."""
    return max((str(finding["verdict"]) for finding in found[check]), key=STATUS.__getitem__)


def with_option(database: Path, old: str, new: str) -> None:
    """Rewrite the newest OPTIONS file."""
    path = database / newest_options(Files(), database).name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_good_set_up_has_no_complaint(copy_of: CopyOf, mounted: MountedFolders, tmp_path: Path) -> None:
    database, repository = copy_of("small", mounted("ext4") / "db"), tmp_path / "repo"
    back_up(database, repository)
    found = doctor("--db-path", database, "--path", repository, "--socket-path", tmp_path / "admin.socket")
    assert {verdict(found, check) for check in found} == {"ok"}, found
    expected = {"same-disk", "links", "backup-space", "restore-space", "wal-dir", "options", "rocksdb-version", "clock"}
    assert expected | {"socket", "open-files", "kernel", "leftovers", "table-format", "owner"} <= found.keys()
    assert "copies each new file once" in found["links"][0]["text"]


def test_nothing_is_changed(copy_of: CopyOf, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    database = copy_of("killed", home / "db")
    back_up(database, home / "repo")
    staging = home / "repo" / ".walrus-fast" / "staging" / "999999"
    staging.mkdir()
    with untouched(home):
        doctor("--db-path", database, "--path", home / "repo", "--socket-path", home / "socket")
        doctor("--db-path", database, "--path", home / "new" / "repo")
        doctor("--db-path", home / "new" / "db", "--path", home / "repo")


def test_beside_a_running_owner(tmp_path: Path) -> None:
    with running_writer(tmp_path / "db", seed=3) as writer:
        writer.advance(500)
        found = doctor("--db-path", tmp_path / "db", "--path", tmp_path / "repo")
        assert f"process {writer.pid} has the database open" in found["owner"][0]["text"]
        writer.advance(100)


def test_people_get_a_line_for_each_finding_and_one_to_sum_up(copy_of: CopyOf, tmp_path: Path) -> None:
    database = copy_of("small", tmp_path / "db")
    outcome: Outcome = run("doctor", "--db-path", database, "--path", tmp_path / "repo")
    assert outcome.status == 3
    lines = outcome.stdout.splitlines()
    assert any(line.startswith("warn  same-disk") for line in lines)
    assert any(line.strip().startswith("-> Put the repository on another disk") for line in lines)
    assert lines[-1].endswith("1 warning, 0 failures")
    assert run("doctor").status == 2


@pytest.mark.parametrize(
    ("kind", "expected"), [("ext4", "links the"), ("xfs", "links the"), ("no-links", "neither links nor reflinks")]
)
def test_what_a_backup_costs_is_tried(copy_of: CopyOf, mounted: MountedFolders, kind: str, expected: str) -> None:
    folder = mounted(kind)
    database = copy_of("small", folder / "db")
    found = doctor("--db-path", database, "--path", folder / "repo")
    assert expected in found["links"][0]["text"]
    assert verdict(found, "same-disk") == "warn"


def test_what_is_gone_after_a_reboot(copy_of: CopyOf, tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if mount_of(memory).kind != "tmpfs":
        pytest.skip("no tmpfs at /dev/shm")
    database = copy_of("small", tmp_path / "db")
    found = doctor("--db-path", database, "--path", memory / f"walrus-fast-test-{os.getpid()}")
    assert verdict(found, "file-system") == "fail"


def test_partitions_of_one_disk_are_one_disk(tmp_path: Path) -> None:
    """Against a tree like that of /sys: a partition, and a volume on two of them."""
    disk = tmp_path / "devices" / "sda"
    for name in ("sda1", "sda2"):
        (disk / name).mkdir(parents=True)
        (disk / name / "partition").write_text("1")
    volume = tmp_path / "devices" / "dm-0"
    (volume / "slaves").mkdir(parents=True)
    (volume / "slaves" / "sda2").symlink_to(disk / "sda2")
    number = os.stat(tmp_path).st_dev
    name = f"{os.major(number)}:{os.minor(number)}"
    for target in (disk / "sda1", volume):
        block = tmp_path / f"block-{target.name}"
        block.mkdir()
        (block / name).symlink_to(target)
        assert disks_behind(tmp_path, sys_block=block) == {"sda"}
    assert disks_behind(tmp_path, sys_block=tmp_path / "none") == frozenset()


def test_too_little_room(copy_of: CopyOf, tmp_path: Path) -> None:
    with file_system(tmp_path / "disk", "ext4", megabytes=40) as disk:
        database = copy_of("tables", tmp_path / "db")
        ballast = fill(disk, leave=20 << 20)
        found = doctor("--db-path", database, "--path", disk / "repo")
        assert verdict(found, "backup-space") == "fail"
        ballast.unlink()
        assert verdict(doctor("--db-path", database, "--path", disk / "repo"), "backup-space") == "warn"
        # The other way round: the database on the full disk, where a restore has no room.
        there = copy_of("small", disk / "db")
        fill(disk, leave=1 << 19)
        assert verdict(doctor("--db-path", there, "--path", tmp_path / "repo"), "restore-space") == "warn"


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        ("recycle_log_file_num=0", "recycle_log_file_num=4", "options"),
        ("allow_mmap_writes=false", "allow_mmap_writes=true", "options"),
        ("manual_wal_flush=false", "manual_wal_flush=true", "options"),
        ("max_manifest_file_size=1073741824", "max_manifest_file_size=4096", "options"),
        ("rocksdb_version=9", "rocksdb_version=10", "rocksdb-version"),
        ("format_version=5", "format_version=6", "table-format"),
        ("TableOptions/BlockBasedTable", "TableOptions/PlainTable", "table-format"),
    ],
)
def test_options_that_matter(copy_of: CopyOf, tmp_path: Path, old: str, new: str, check: str) -> None:
    database = copy_of("small", tmp_path / "db")
    before = doctor("--db-path", database, "--path", tmp_path / "repo")
    assert verdict(before, check) == "ok"
    with_option(database, old, new)
    assert verdict(doctor("--db-path", database, "--path", tmp_path / "repo"), check) == "warn"


def test_the_ldb_of_this_machine_is_asked(copy_of: CopyOf, tmp_path: Path, ldb: str) -> None:
    database = copy_of("small", tmp_path / "db")
    version = subprocess.run([ldb, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    assert version in doctor("--db-path", database)["table-format"][0]["text"]


def test_the_version_that_opens_backups_is_that_of_the_binding(templates: dict[str, Any]) -> None:
    assert newest_options(Files(), templates["small"].folder).rocksdb_version == READER_VERSION


def test_wals_elsewhere(copy_of: CopyOf, tmp_path: Path) -> None:
    database, wals = copy_of("killed", tmp_path / "db"), tmp_path / "wals"
    with_option(database, "[DBOptions]", f"[DBOptions]\n  wal_dir={wals}")
    arguments = ("--db-path", database, "--path", tmp_path / "repo")
    assert "was moved" in doctor(*arguments)["wal-dir"][0]["text"]
    wals.mkdir()
    for path in database.glob("*.log"):
        path.rename(wals / path.name)
    found = doctor(*arguments)
    assert f"--wal-dir {wals}" in found["wal-dir"][0]["advice"]
    wals.rename(tmp_path / "hidden")
    assert verdict(doctor(*arguments), "wal-dir") == "fail"
    assert verdict(doctor(*arguments, "--wal-dir", tmp_path / "hidden"), "wal-dir") == "warn"


def test_what_this_user_may_not_do(copy_of: CopyOf, tmp_path: Path, unprivileged: Sequence[str]) -> None:
    database, repository = copy_of("small", tmp_path / "db"), tmp_path / "repo"
    back_up(database, repository)
    arguments = ("--db-path", database, "--path", repository)
    assert verdict(doctor("--db-path", repository, "--path", database), "repository") == "fail", "the wrong way round"
    repository.chmod(0o500)
    assert verdict(doctor(*arguments, prefix=unprivileged), "repository") == "fail"
    repository.chmod(0o777)
    assert verdict(doctor(*arguments), "repository-mode") == "fail"
    repository.chmod(0o755)
    assert "repository-mode" not in doctor(*arguments), "its folders are closed"
    (repository / "shared_checksum").chmod(0o755)
    assert verdict(doctor(*arguments), "repository-mode") == "warn"
    (database / "CURRENT").chmod(0)
    outcome = run("doctor", *arguments, "--json", prefix=unprivileged)
    assert outcome.status == 4
    assert "may not read CURRENT" in outcome.stdout


@pytest.mark.usefixtures("root")
def test_root_is_told_whose_database_it_is(copy_of: CopyOf, tmp_path: Path) -> None:
    database, repository = copy_of("small", tmp_path / "db"), tmp_path / "repo"
    back_up(database, repository)
    for path in (database, repository / "meta"):
        os.chown(path, 4711, 4711)
    found = doctor("--db-path", database, "--path", repository)
    assert "sudo -u '#4711'" in found["user"][0]["advice"]
    assert verdict(found, "repository") == "warn"


def test_sockets(copy_of: CopyOf, tmp_path: Path) -> None:
    def found(path: Path) -> dict[str, Any]:
        return doctor("--socket-path", path)["socket"][0]

    assert found(tmp_path / ("s" * 120))["verdict"] == "fail"
    (tmp_path / "file").touch()
    assert "no socket" in found(tmp_path / "file")["text"]
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    assert found(stale)["verdict"] == "warn"
    copy_of("small", tmp_path / "db")
    with running_node(write_config(tmp_path)) as node:
        assert f"process {node.process.pid}" in found(node.socket)["text"]
        assert doctor("--config-path", node.config)["socket"][0]["verdict"] == "ok"


def test_a_clock_that_went_back(copy_of: CopyOf, tmp_path: Path) -> None:
    database = copy_of("small", tmp_path / "db")
    assert verdict(doctor("--db-path", database), "clock") == "ok"
    os.utime(database / "CURRENT", (time.time() + 3600,) * 2)
    assert verdict(doctor("--db-path", database), "clock") == "warn"


def test_open_files_matter_where_there_are_no_links(copy_of: CopyOf, mounted: MountedFolders, tmp_path: Path) -> None:
    few = ("prlimit", "--nofile=64:64")
    database = copy_of("small", tmp_path / "db")
    assert verdict(doctor("--db-path", database, "--path", tmp_path / "repo", prefix=few), "open-files") == "ok"
    there = mounted("no-links")
    copy_of("small", there / "db")
    found = doctor("--db-path", there / "db", "--path", there / "repo", prefix=few)
    assert "pinned by links" not in found["open-files"][0]["text"]
    assert verdict(found, "open-files") == "fail"
    assert "LimitNOFILE=" in found["open-files"][0]["advice"]


def test_leftovers_of_the_dead_and_what_restores_keep(copy_of: CopyOf, tmp_path: Path) -> None:
    database, repository = copy_of("small", tmp_path / "db"), tmp_path / "repo"
    back_up(database, repository)
    arguments = ("--db-path", database, "--path", repository)
    assert verdict(doctor(*arguments), "leftovers") == "ok"
    left = [
        repository / ".walrus-fast" / "staging" / "999999",
        repository / ".walrus-fast" / "scratch" / "999999-ab",
        tmp_path / ".db.walrus-fast-pins" / "999999",
        tmp_path / ".db.walrus-fast-restore" / "partial",
    ]
    for path in left:
        path.mkdir(parents=True)
    texts = " ".join(finding["text"] for finding in doctor(*arguments)["leftovers"])
    assert all(str(path if path != left[-1] else path.parent) in texts for path in left), texts
    (left[-1].parent / "exchange.json").write_text("{}")
    assert verdict(doctor(*arguments), "leftovers") == "fail"
    (left[-1].parent / "exchange.json").unlink()
    # What it warns of as harmless is gone after the next runs, as it says.
    back_up(database, repository)
    succeed("checkpoint", "drill", "--path", repository)
    succeed("restore", "--db-checkpoint-path", repository, "--db-path", database)
    found = doctor(*arguments)
    assert verdict(found, "leftovers") == "ok", found["leftovers"]
    assert "--discard-previous" in found["kept-databases"][0]["advice"]


def test_a_configuration_is_judged_too(copy_of: CopyOf, tmp_path: Path) -> None:
    copy_of("small", tmp_path / "db")
    config = write_config(tmp_path, checkpoint={"max_db_checkpoint": 3})
    texts = [finding["text"] for finding in doctor("--config-path", config)["config"]]
    assert any("max_db_checkpoint is not known" in text for text in texts)
    assert any("periodic_db_checkpoints is false" in text for text in texts)
    assert run("doctor", "--config-path", tmp_path / "nowhere").status == 30


def test_a_check_that_cannot_look_does_not_stop_the_others(copy_of: CopyOf, tmp_path: Path) -> None:
    database = copy_of("small", tmp_path / "db")
    (database / "CURRENT").write_text("MANIFEST-999999\n")
    outcome = run("doctor", "--db-path", database, "--path", tmp_path / "repo", "--json")
    assert outcome.status == 3
    findings = json.loads(outcome.stdout)["findings"]
    assert any("could not be looked at" in finding["text"] for finding in findings)
    assert any(finding["check"] == "same-disk" for finding in findings)
