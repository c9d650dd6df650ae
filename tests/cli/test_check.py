"""`check`: one line and an exit status for monitoring; reads only, and is not misled by writers at work."""

from __future__ import annotations

import fcntl
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.command import Outcome, run, succeed
from tests.support.untouched import untouched
from tests.verify.backups import back_up, file_of_kind
from walrus_fast.errors import BackupNotFound
from walrus_fast.files import Files
from walrus_fast.operations.keeping.check import CheckRequest, Level, check_repository
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.repository.catalog import load_backup, load_catalog
from walrus_fast.repository.layout import Layout
from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

HOUR = 3600.0


@pytest.fixture
def backed_up(database: Path, repository: Path) -> Path:
    """A repository with two backups."""
    for _ in range(2):
        back_up(database, repository)
    return repository


def check(repository: Path, *options: object) -> Outcome:
    """The command; it writes one line, on standard output, and nothing else."""
    outcome = run("check", "--path", repository, *options)
    assert len(outcome.stdout.splitlines()) == 1, outcome
    assert outcome.stderr == ""
    return outcome


def level(repository: Path, *, after: float = 0.0, **asked: object) -> Level:
    """What a check finds so many seconds after the newest backup."""
    newest = load_catalog(Files(), Layout(repository))[-1].timestamp
    return check_repository(Files(), CheckRequest(repository, **asked), now=newest + after).level  # type: ignore[arg-type]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_ages(backed_up: Path) -> None:
    with untouched(backed_up):
        ok = check(backed_up, "--max-age", "6h", "--warn-age", "1h 30m")
        assert ok.status == 0
        assert ok.stdout.startswith("OK: backup 2 is ")
        assert " old, never verified; 2 good backups | age=" in ok.stdout
        old = check(backed_up, "--max-age", "0")
        assert (old.status, old.stdout.partition(":")[0]) == (2, "CRITICAL")
    assert level(backed_up, after=2 * HOUR, max_age=6 * HOUR, warn_age=HOUR) is Level.WARNING
    assert level(backed_up, after=7 * HOUR, max_age=6 * HOUR, warn_age=HOUR) is Level.CRITICAL
    assert level(backed_up, after=7 * HOUR) is Level.OK


def test_a_backup_from_the_future_tells_of_a_wrong_clock(backed_up: Path) -> None:
    assert level(backed_up, after=-30, max_age=HOUR) is Level.OK
    assert level(backed_up, after=-90, max_age=HOUR) is Level.WARNING


def test_only_what_is_proven_counts_when_a_tier_is_asked_for(backed_up: Path) -> None:
    asked = ("--max-age", "6h", "--min-tier", "checksums")
    assert "no good backup that is proven up to checksums" in check(backed_up, *asked).stdout
    succeed("checkpoint", "verify", "--path", backed_up, "--checkpoint-id", 1)
    document = succeed("check", "--path", backed_up, *asked)
    assert (document["status"], document["newest"], document["tier"]) == ("OK", 1, "checksums")
    assert succeed("check", "--path", backed_up, "--max-age", "6h")["newest"] == 2
    assert check(backed_up, "--min-tier", "closure").status == 2
    succeed("checkpoint", "drill", "--path", backed_up)
    assert succeed("check", "--path", backed_up, "--min-tier", "rows", "--max-drill-age", "1d")["newest"] == 2


def test_samples_count_once_every_part_was_read(backed_up: Path) -> None:
    for part in range(3):
        assert level(backed_up, min_tier=Tier.CHECKSUMS) is Level.CRITICAL, part
        succeed("checkpoint", "verify", "--path", backed_up, "--sample", "1/3")
    assert level(backed_up, min_tier=Tier.CHECKSUMS) is Level.OK


def test_proofs_that_are_long_ago(backed_up: Path) -> None:
    assert level(backed_up, max_verify_age=HOUR) is Level.CRITICAL
    assert level(backed_up, max_drill_age=HOUR) is Level.CRITICAL
    succeed("checkpoint", "verify", "--path", backed_up, "--sample", "1/3")
    succeed("checkpoint", "drill", "--path", backed_up)
    assert level(backed_up, max_verify_age=HOUR, max_drill_age=HOUR) is Level.OK
    assert level(backed_up, after=2 * HOUR, max_verify_age=HOUR) is Level.CRITICAL
    assert level(backed_up, after=2 * HOUR, max_drill_age=HOUR) is Level.CRITICAL


@pytest.mark.parametrize(("damaged", "status"), [(1, 1), (2, 2)])
def test_damage_that_names_and_sizes_show(backed_up: Path, damaged: int, status: int) -> None:
    (backed_up / file_of_kind(backed_up, damaged, "manifest")).unlink()
    outcome = check(backed_up)
    assert outcome.status == status
    assert f"backup {damaged} is damaged: private/{damaged}/MANIFEST" in outcome.stdout
    assert run("check", "--path", backed_up, "--json").document["damaged"][0]["backup_id"] == damaged


def test_damage_that_a_verification_has_found(backed_up: Path) -> None:
    flip(backed_up / file_of_kind(backed_up, 2, "manifest"))
    assert check(backed_up).status == 0, "nobody has read it yet"
    run("checkpoint", "verify", "--path", backed_up)
    # A part of the files that is sound does not make the rest sound.
    run("checkpoint", "verify", "--path", backed_up, "--tier", "sizes")
    outcome = check(backed_up, "--max-age", "1h")
    assert outcome.status == 2
    assert "backup 2 is damaged" in outcome.stdout
    assert "backup 1 is " in outcome.stdout


def test_too_few_and_none(backed_up: Path, tmp_path: Path) -> None:
    assert check(backed_up, "--min-count", 2).status == 0
    assert "fewer good backups than 3" in check(backed_up, "--min-count", 3).stdout
    assert check(tmp_path / "nowhere").status == 2
    for backup_id in (1, 2):
        delete_backup(Files(), backed_up, backup_id)
    assert check(backed_up).stdout.startswith(f"CRITICAL: no backup in {backed_up}")
    assert check(backed_up, "--min-count", 0).status == 2


def test_what_cannot_be_told_is_unknown(backed_up: Path, tmp_path: Path, unprivileged: Sequence[str]) -> None:
    for wrong in ((), ("--path", backed_up, "--max-age", "soon"), ("--path", backed_up, "--config-path", "x")):
        outcome = run("check", *wrong)
        assert (outcome.status, outcome.stdout) == (3, "")
    config = tmp_path / "node-config.yaml"
    assert run("check", "--config-path", config).status == 3
    config.write_text(f"storage_path: {tmp_path / 'db'}\n")
    assert run("check", "--config-path", config, "--json").document["status"] == "UNKNOWN"
    config.write_text(f"storage_path: {tmp_path / 'db'}\ncheckpoint_config: {{db_checkpoint_dir: {backed_up}}}\n")
    assert run("check", "--config-path", config, "--max-age", "1h").status == 0
    (backed_up / "meta").chmod(0)
    assert run("check", "--path", backed_up, prefix=unprivileged).status == 3


def test_it_needs_no_lock(backed_up: Path) -> None:
    with (backed_up / ".walrus-fast" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert check(backed_up, "--max-age", "1h").status == 0


class _DeletedMeanwhile(Files):
    """A writer that deletes a backup between the reading of its meta and the look at its files."""

    def __init__(self, repository: Path, backup_id: int) -> None:
        self._delete: Callable[[], object] | None = lambda: delete_backup(Files(), repository, backup_id)

    def stat_many(self, directory: int, names: Sequence[str]) -> list[tuple[int, int, int, int, int, int]]:
        """Delete first, once."""
        delete, self._delete = self._delete, None
        if delete is not None:
            delete()
        return super().stat_many(directory, names)


def test_a_backup_that_is_deleted_meanwhile_is_not_taken_for_damaged(backed_up: Path, tmp_path: Path) -> None:
    shutil.copytree(backed_up, tmp_path / "again")
    files = _DeletedMeanwhile(backed_up, 1)
    report = check_repository(files, CheckRequest(backed_up), now=0)
    assert (report.good, report.damaged) == (1, {})
    with pytest.raises(BackupNotFound):
        load_backup(_DeletedMeanwhile(tmp_path / "again", 1), Layout(tmp_path / "again"), 1)
