"""Restore drills: a good one leaves nothing but its date, a planted fault makes one fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import command
from tests.support.untouched import fingerprint, untouched
from tests.verify.backups import FAULTS, damage, file_of_kind, reseal
from walrus_fast.errors import Cancelled
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.keeping.space import measure_space
from walrus_fast.operations.progress import Phase
from walrus_fast.operations.restore.drill import DrillRequest, drill_backup
from walrus_fast.repository.layout import Layout
from walrus_fast.repository.verification import Tier, load_record

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.operations.progress import JobProgress


@pytest.mark.parametrize("mode", [TransferMode.AUTO, TransferMode.HARDLINK, TransferMode.COPY])
def test_a_good_drill_leaves_only_its_date(repository: Path, mode: TransferMode) -> None:
    space = measure_space(Files(), repository)
    with untouched(repository / "meta", repository / "private"):
        report = drill_backup(Files(), DrillRequest(repository, 2, mode=mode), now=lambda: 1234.0)
    assert report.succeeded
    assert report.rows > 1000
    assert report.bytes_linked + report.bytes_cloned + report.bytes_copied == report.bytes_total
    assert 0 < report.transfer_seconds < report.restore_seconds
    assert report.copy_seconds >= report.restore_seconds * 0.99
    assert measure_space(Files(), repository) == space
    assert not list((repository / ".walrus-fast").glob("scratch/*"))
    assert all(path.stat().st_nlink == 1 for path in repository.rglob("*") if path.is_file())
    record = load_record(Files(), Layout(repository), 2)
    assert (record.last_proven_restorable, record.tier) == (1234.0, Tier.ROWS)


def test_a_drill_on_another_folder(repository: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    report = drill_backup(Files(), DrillRequest(repository, scratch_dir=elsewhere, mode=TransferMode.COPY))
    assert report.succeeded
    assert report.bytes_copied == report.bytes_total
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["current", "manifest", "options", "wal", "table", "blob"])
def test_a_planted_fault_fails_the_drill(repository: Path, kind: str, fault: str) -> None:
    assert drill_backup(Files(), DrillRequest(repository, 1, rows=False)).succeeded
    path = file_of_kind(repository, 1, kind)
    damage(repository, path, kind, fault)
    before = set(fingerprint(repository))
    report = drill_backup(Files(), DrillRequest(repository, 1))
    assert path in report.problems[0]
    assert set(fingerprint(repository)) == before
    record = load_record(Files(), Layout(repository), 1)
    assert record.last_proven_restorable is None
    assert record.last_drill is not None
    assert record.last_drill.problems


def test_a_fault_that_only_rocksdb_can_see_fails_the_drill(repository: Path) -> None:
    # A data block of a table: every row is read from one. A blob may be garbage that no row points to.
    path = repository / file_of_kind(repository, 3, "table")
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1
    path.write_bytes(data)
    reseal(repository, 3)
    report = drill_backup(Files(), DrillRequest(repository, 3))
    assert "column family" in report.problems[0]


@pytest.mark.parametrize("phase", [Phase.TRANSFERRING, Phase.PROVING])
def test_a_cancelled_drill_leaves_nothing_and_no_record(repository: Path, phase: Phase) -> None:
    def observer(progress: JobProgress) -> None:
        if progress.phase is phase:
            raise Cancelled("enough")

    with untouched(repository / "shared_checksum"):
        before = set(fingerprint(repository))
        with pytest.raises(Cancelled):
            drill_backup(Files(), DrillRequest(repository, 1, mode=TransferMode.COPY), observer=observer)
        assert {path for path in set(fingerprint(repository)) - before if "scratch" in path} == set()
    assert load_record(Files(), Layout(repository), 1).last_drill is None


def test_the_command(repository: Path) -> None:
    outcome = command.run("checkpoint", "drill", "--path", repository)
    assert outcome.status == 0
    assert "Backup 3 was restored" in outcome.stdout
    assert "restored in a drill" in command.run("checkpoint", "list", "--path", repository, "--long").stdout
    damage(repository, file_of_kind(repository, 3, "wal"), "wal", "truncated")
    message = command.refuse(25, "backup-damaged", "checkpoint", "drill", "--path", repository)
    assert "not proven restorable" in message
