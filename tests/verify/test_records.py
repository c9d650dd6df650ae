"""The dated record of a backup: what counts as proof, what takes it away, and where none can be kept."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.file_systems import bound
from tests.support import command
from tests.support.untouched import untouched
from tests.verify.backups import damage, file_of_kind, paths_of
from walrus_fast.errors import NotPermitted
from walrus_fast.files import Files
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.repository.layout import Layout
from walrus_fast.repository.verification import Tier, VerificationRecord, load_record
from walrus_fast.tiers import Sample
from walrus_fast.wording import format_time

if TYPE_CHECKING:
    from pathlib import Path


def record(repository: Path, backup_id: int = 1) -> VerificationRecord:
    return load_record(Files(), Layout(repository), backup_id)


def test_the_date_of_each_tier_is_kept(repository: Path) -> None:
    assert record(repository).tier is None
    verify_backups(Files(), repository, tier=Tier.ROWS, now=lambda: 1000.0)
    verify_backups(Files(), repository, tier=Tier.CHECKSUMS, now=lambda: 2000.0)
    found = record(repository)
    assert found.tier is Tier.ROWS
    assert (found.reached["rows"], found.reached["checksums"]) == (1000.0, 2000.0)
    assert found.last is not None
    assert found.last.tier is Tier.CHECKSUMS


def test_damage_takes_the_proof_away(repository: Path) -> None:
    verify_backups(Files(), repository, tier=Tier.ROWS)
    damage(repository, file_of_kind(repository, 1, "table"), "table", "flipped")
    verify_backups(Files(), repository)
    assert record(repository).tier is Tier.SIZES
    assert record(repository, 3).tier is Tier.ROWS


def test_a_record_of_another_backup_with_the_id_counts_for_nothing(repository: Path) -> None:
    verify_backups(Files(), repository)
    meta = repository / "meta/1"
    meta.write_text(meta.read_text().replace("\n", "\n", 1).replace(meta.read_text()[:10], "1000000000", 1))
    assert record(repository).tier is None


def test_a_damaged_record_counts_for_nothing_and_is_replaced(repository: Path) -> None:
    verify_backups(Files(), repository)
    path = repository / ".walrus-fast/verified/1"
    path.write_bytes(path.read_bytes()[:-3])
    assert record(repository).tier is None
    verify_backups(Files(), repository)
    assert record(repository).tier is Tier.CHECKSUMS


def test_records_of_deleted_backups_go_with_the_next_verification(repository: Path) -> None:
    verify_backups(Files(), repository)
    delete_backup(Files(), repository, 1)
    verify_backups(Files(), repository)
    names = {path.name for path in (repository / ".walrus-fast/verified").iterdir()}
    assert names == {"2", "3"}


@pytest.mark.parametrize("share", ["1/3", "1/7", "10%"])
def test_consecutive_samples_cover_every_file_once(repository: Path, share: str) -> None:
    sample = Sample.parse(share)
    small = {path for id_ in (1, 2, 3) for path in paths_of(repository, id_) if path.startswith("private/")}
    every = {path for id_ in (1, 2, 3) for path in paths_of(repository, id_)}
    read = []
    for run in range(sample.parts):
        report = verify_backups(Files(), repository, sample=sample, now=lambda run=run: 1e9 + run)  # type: ignore[misc]
        read.append({path for path in every if sample.for_run(report.part).includes(path)})
        assert report.files_read == len(read[-1])
        assert record(repository).reached.get("checksums") is None
    assert set.union(*read) == every
    assert sum(len(paths - small) for paths in read) == len(every - small)
    assert len(record(repository).samples) == sample.parts


def test_a_sample_finds_the_damage_within_one_round(repository: Path) -> None:
    path = file_of_kind(repository, 3, "blob")
    damage(repository, path, "blob", "flipped")
    sample = Sample.parse("1/5")
    found = [verify_backups(Files(), repository, sample=sample).damaged for _ in range(5)]
    assert sum(bool(damaged) for damaged in found) == 1


def test_damage_stands_until_something_that_looks_at_the_same_finds_none(repository: Path) -> None:
    path = file_of_kind(repository, 3, "blob")
    sample = Sample.parse("1/5")
    whole = (repository / path).read_bytes()
    damage(repository, path, "blob", "flipped")
    for _ in range(5):  # each part once: one of them finds it, the sound ones after it do not make up for that
        verify_backups(Files(), repository, sample=sample)
    found = record(repository, 3).damage
    assert found is not None
    assert path in found.problems[0]
    verify_backups(Files(), repository, tier=Tier.SIZES)
    assert record(repository, 3).damage == found
    listed = {backup["backup_id"]: backup for backup in command.backups(repository)}
    assert listed[3]["proof"]["damage"]["problems"] == list(found.problems)
    lines = command.run("checkpoint", "list", "--path", repository, "--long").stdout
    assert f"found DAMAGED at {format_time(found.date)}: {found.problems[0]}" in lines
    (repository / path).write_bytes(whole)
    for _ in range(5):
        verify_backups(Files(), repository, sample=sample)
    assert record(repository, 3).damage is None
    damage(repository, path, "blob", "flipped")
    verify_backups(Files(), repository)
    (repository / path).write_bytes(whole)
    verify_backups(Files(), repository)
    assert record(repository, 3).damage is None


@pytest.mark.parametrize("text", ["0%", "101%", "1/0", "2/7", "x", ""])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="share"):
        Sample.parse(text)


def test_a_read_only_repository_is_verified_and_says_that_nothing_was_kept(
    repository: Path, tmp_path: Path, root: None
) -> None:
    with bound(repository, tmp_path / "mount", read_only=True) as mount, untouched(repository):
        report = verify_backups(Files(), mount, sample=Sample.parse("1/3"))
        assert not report.damaged
        assert "Read-only" in report.not_recorded
        with pytest.raises(NotPermitted) as refused:
            verify_backups(Files(), mount, tier=Tier.OPENED)
        assert "--scratch-dir" in refused.value.hint
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        report = verify_backups(Files(), mount, tier=Tier.ROWS, scratch_dir=elsewhere)
        assert {verdict.tier for verdict in report.backups} == {Tier.ROWS}
        assert list(elsewhere.iterdir()) == []


def test_a_repository_of_rocksdb_stays_as_it_was(repository: Path) -> None:
    shutil.rmtree(repository / ".walrus-fast")
    with untouched(repository / "meta", repository / "private", repository / "shared_checksum"):
        report = verify_backups(Files(), repository, tier=Tier.ROWS)
    assert {verdict.tier for verdict in report.backups} == {Tier.ROWS}
    assert "adopt" in report.not_recorded
    assert not (repository / ".walrus-fast").exists()


def test_list_shows_the_proof_only_when_asked(repository: Path) -> None:
    plain = command.run("checkpoint", "list", "--path", repository).stdout
    assert "verified" not in plain
    command.succeed("checkpoint", "verify", "--path", repository, "--tier", "opened")
    assert command.run("checkpoint", "list", "--path", repository).stdout == plain
    lines = command.run("checkpoint", "list", "--path", repository, "--long").stdout
    assert lines.count("verified up to opened at 2") == 3
    assert [backup["proof"]["tier"] for backup in command.backups(repository)] == ["opened"] * 3
