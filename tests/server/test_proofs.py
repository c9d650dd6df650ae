"""Verifications and restore drills by the node: as asked for, and by themselves when they are due."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.node import final, processes_of, running_node, wait_for, write_config
from tests.server.test_schedule import HOUR, DrivenClock, EndOfTest, Pace
from tests.support.command import run
from tests.verify.backups import back_up, file_of_kind
from walrus_fast.errors import BackupNotFound, ConfigInvalid, StorageError
from walrus_fast.files import Files
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.progress import silent
from walrus_fast.operations.proof.damage import Damage
from walrus_fast.operations.proof.verify import BackupVerdict, VerifyReport, verify_backups
from walrus_fast.operations.restore.drill import DrillReport, DrillRequest, drill_backup
from walrus_fast.protocol.jobs import DamageFound, DrillResult, VerifyResult, VerifyVerdict, received_error
from walrus_fast.repository.layout import Layout
from walrus_fast.repository.verification import load_record
from walrus_fast.server.job_spec import LastRun, LastRunTask
from walrus_fast.server.perform import perform
from walrus_fast.server.schedule import Schedule
from walrus_fast.tiers import Sample, Tier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import msgspec

    from tests.server.node import Node


def scratch_of(repository: Path) -> list[Path]:
    """What readers have left."""
    return list((repository / ".walrus-fast").glob("scratch/*"))


def lines_naming(node: Node, job_id: str, path: str) -> list[dict[str, Any]]:
    """What the log says of a file, once it has said that; it is written behind the answers."""

    def found() -> list[dict[str, Any]]:
        return [line for line in node.lines if line.get("job") == job_id and path in line["message"]]

    wait_for(found, "the line of the log")
    return found()


def flip(path: Path) -> None:
    """Change one byte, half-way."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_verify_up_to_a_tier_and_in_samples(database: Path, node: Node) -> None:
    repository = node.folder / "checkpoints"
    for _ in range(2):
        back_up(database, repository)
    with node.client() as client:
        found = final(client, client.verify(tier=Tier.ROWS, ids=(2,))).result
        assert isinstance(found, VerifyResult)
        (verdict,) = found.backups
        assert (verdict.backup_id, verdict.tier, found.asked) == (2, Tier.ROWS, Tier.ROWS)
        assert verdict.rows > 1000
        assert len(verdict.families) > 1
        parts = []
        for _ in range(3):
            found = final(client, client.verify(tier=Tier.CHECKSUMS, sample="1/3")).result
            assert isinstance(found, VerifyResult)
            parts.append((found.part, found.parts))
        assert sorted(parts) == [(0, 3), (1, 3), (2, 3)]
        with pytest.raises(ConfigInvalid, match="is not a share like 10% or 1/7"):
            client.verify(sample="half")
    assert load_record(Files(), Layout(repository), 2).tier is Tier.ROWS
    said = node.admin("checkpoint", "verify", "--tier", "closure", "--sample", "10%", "--checkpoint-id", 1)
    assert said.status == 0, said
    assert "Backup ID: 1, " in said.stdout
    assert "of 10), in " in said.stdout
    document = node.admin("checkpoint", "verify", "--tier", "listed", "--json").document
    assert [backup["tier"] for backup in document["result"]["backups"]] == ["listed", "listed"]
    assert scratch_of(repository) == []


def test_a_drill_of_the_newest_or_of_another_here_or_elsewhere(database: Path, node: Node) -> None:
    repository, elsewhere = node.folder / "checkpoints", node.folder / "disk"
    elsewhere.mkdir()
    for _ in range(2):
        back_up(database, repository)
    said = node.admin("checkpoint", "drill")
    assert said.status == 0, said
    assert said.stdout.startswith("Backup 2 was restored, ")
    with node.client() as client:
        job = final(client, client.drill(backup_id=1, scratch_dir=str(elsewhere)))
        assert isinstance(job.result, DrillResult)
        assert (job.state, job.result.backup_id, job.result.problems) == ("succeeded", 1, ())
        assert job.result.rows > 1000
        assert 0 < job.result.transfer_seconds < job.result.restore_seconds
        missing = final(client, client.drill(backup_id=9)).error
        assert missing is not None
        assert isinstance(received_error(missing), BackupNotFound)
        with pytest.raises(ConfigInvalid, match="not an absolute path"):
            client.drill(scratch_dir="disk")
        listed = node.admin("checkpoint", "list").stdout
    assert len(listed.splitlines()) == 3
    long = node.admin("checkpoint", "list", "--long").stdout
    assert long.count("  verified up to rows at 2") == long.count(", restored in a drill at 2") == 2
    assert long == run("checkpoint", "list", "--path", repository, "--long").stdout
    assert load_record(Files(), Layout(repository), 1).last_proven_restorable == job.result.date
    assert list(elsewhere.iterdir()) == []
    assert scratch_of(repository) == []


def test_a_node_proves_by_the_means_that_are_asked_for(database: Path, node: Node) -> None:
    repository, elsewhere = node.folder / "checkpoints", node.folder / "disk"
    elsewhere.mkdir()
    back_up(database, repository)
    said = node.admin("checkpoint", "drill", "--no-rows", "--transfer-mode", "copy", "--json").document
    assert said["result"]["rows"] == 0
    assert said["result"]["rows_read"] is False
    assert said["result"]["bytes_copied"] == said["result"]["bytes_total"] > 0
    assert ", no row read. " in node.admin("checkpoint", "drill", "--no-rows").stdout
    by_link = node.admin("checkpoint", "drill", "--transfer-mode", "hardlink", "--json").document
    assert by_link["result"]["bytes_linked"] > 0
    assert by_link["result"]["rows"] > 1000
    # The scratch of a verification is where it was told: a folder that cannot be written stops it there.
    blocked = node.folder / "file"
    blocked.write_text("")
    assert node.admin("checkpoint", "verify", "--tier", "opened", "--scratch-dir", elsewhere).status == 0
    assert str(blocked) in node.admin("checkpoint", "verify", "--tier", "opened", "--scratch-dir", blocked).stderr
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("offline", "ours"),
    [(VerifyReport, VerifyResult), (BackupVerdict, VerifyVerdict), (DrillReport, DrillResult), (Damage, DamageFound)],
)
def test_a_nodes_result_has_what_the_offline_command_prints(offline: type, ours: type[msgspec.Struct]) -> None:
    assert {field.name for field in fields(offline)} == set(ours.__struct_fields__)


def test_damage_fails_the_job_and_the_log_names_backup_and_file(database: Path, node: Node) -> None:
    repository = node.folder / "checkpoints"
    for _ in range(2):
        back_up(database, repository)
    path = file_of_kind(repository, 2, "manifest")
    flip(repository / path)
    with node.client() as client:
        for job in (final(client, client.verify()), final(client, client.drill())):
            assert job.state == "failed"
            assert job.error is not None
            assert (job.error.code, job.error.exit_status) == ("backup-damaged", 25)
            assert isinstance(job.result, VerifyResult | DrillResult)
            damaged = job.result.damage if isinstance(job.result, DrillResult) else job.result.backups[1].damage
            assert (damaged[0].backup_id, damaged[0].file, damaged[0].tier) == (2, path, Tier.CHECKSUMS)
            named = lines_naming(node, job.job_id, path)
            assert named[0]["level"].lower() == "error"
            assert named[0]["message"].startswith(f"backup 2: {path} ")
        assert final(client, client.drill(backup_id=1)).state == "succeeded"
    outcome = node.admin("checkpoint", "drill")
    assert outcome.status == 25
    assert path in outcome.stdout
    assert node.admin("checkpoint", "verify", "--json").code == "backup-damaged"


@pytest.mark.parametrize("killed", [False, True])
def test_a_cancelled_or_killed_drill_leaves_nothing(database: Path, tmp_path: Path, killed: bool) -> None:
    repository, elsewhere = tmp_path / "checkpoints", tmp_path / "disk"
    elsewhere.mkdir()
    back_up(database, repository)
    with running_node(write_config(tmp_path, max_bytes_per_second="300KB")) as node, node.client() as client:
        job = client.drill(scratch_dir=str(elsewhere))
        wait_for(lambda: list(elsewhere.glob("*/*/db/*")), "the drill's files")
        if killed:
            for pid in processes_of(node.process.pid):
                os.kill(pid, signal.SIGKILL)
            assert final(client, job).state == "failed"
        else:
            ended = client.cancel(job.job_id)
            assert ended is not None
            assert ended.state == "cancelled"
        assert list(elsewhere.iterdir()) == []
        assert load_record(Files(), Layout(repository), 1).last_drill is None
        client.set_limits(max_bytes_per_second=0)
        assert final(client, client.drill(scratch_dir=str(elsewhere))).state == "succeeded"


class Rig:
    """A schedule of verifications or drills on a clock that the test drives, by the records of a real repository."""

    def __init__(self, repository: Path, task: LastRunTask, prove: Callable[[Rig], object]) -> None:
        self.repository = repository
        self.task = task
        self.prove = prove
        self.clock = DrivenClock()
        self.done: list[float] = []
        self.tried: list[float] = []
        self.failing = False
        self.schedule = self.restarted()

    def restarted(self) -> Schedule:
        """A schedule that remembers nothing."""
        return Schedule(
            self.clock, lambda: Pace(24 * HOUR), what="test", last=self.last, run_once=self.once, chance=lambda: 0.5
        )

    async def last(self) -> float | None:
        said = perform(Files(), self.task, observer=silent, rate=lambda: 0)
        assert isinstance(said, LastRun)
        assert said.has_backups
        return said.date

    async def once(self) -> bool:
        await asyncio.sleep(0)
        self.tried.append(self.clock.passed)
        if self.failing:
            raise StorageError("test")
        self.prove(self)
        self.done.append(self.clock.passed)
        return True

    def run(self, hours: float) -> None:
        """Let so much time pass, restarting every six hours."""
        end = self.clock.passed + hours * HOUR
        while self.clock.passed < end:
            self.clock.until = min(end, self.clock.passed + 6 * HOUR)
            try:
                asyncio.run(self.schedule.run())
            except EndOfTest:
                self.schedule = self.restarted()


def verify(rig: Rig) -> None:
    """As the node does by default."""
    verify_backups(Files(), rig.repository, sample=Sample(0, 7), now=rig.clock.wall)


def drill(rig: Rig) -> None:
    """As the node does."""
    drill_backup(Files(), DrillRequest(rig.repository), now=rig.clock.wall)


@pytest.mark.parametrize("prove", [verify, drill])
def test_due_by_the_records_of_the_repository_whatever_is_restarted(
    database: Path, repository: Path, prove: Callable[[Rig], object]
) -> None:
    back_up(database, repository)
    task = LastRunTask(str(repository), *((Tier.CHECKSUMS, "1/7") if prove is verify else ()))
    rig = Rig(repository, task, prove)
    rig.run(80)
    assert [round(at / HOUR) for at in rig.done] == [0, 24, 48, 72]
    prove(rig)  # somebody else, at 80 h
    rig.run(23)
    assert len(rig.done) == 4
    back_up(database, repository)
    delete_backup(Files(), repository, 1)  # the record of that backup goes; the date of the run stays
    prove_at = len(rig.done)
    rig.run(2)
    assert len(rig.done) == prove_at + 1
    # Damage is found, and recorded: not looked for again before the next time.
    flip(repository / file_of_kind(repository, 2, "manifest"))
    rig.run(47)
    assert len(rig.done) <= prove_at + 3


def test_a_lesser_verification_does_not_count(database: Path, repository: Path) -> None:
    back_up(database, repository)
    back_up(database, repository)
    wanted = LastRunTask(str(repository), Tier.CHECKSUMS, "1/7")

    def last() -> float | None:
        said = perform(Files(), wanted, observer=silent, rate=lambda: 0)
        assert isinstance(said, LastRun)
        return said.date

    verify_backups(Files(), repository, tier=Tier.LISTED)
    verify_backups(Files(), repository, ids=[1])
    verify_backups(Files(), repository, sample=Sample(0, 50))
    assert last() is None
    verify_backups(Files(), repository, tier=Tier.CLOSURE, now=lambda: 1000.0)
    verify_backups(Files(), repository, sample=Sample(0, 7), now=lambda: 2000.0)
    assert last() == 2000.0


def test_a_failure_is_retried_after_the_delay(database: Path, repository: Path) -> None:
    back_up(database, repository)
    rig = Rig(repository, LastRunTask(str(repository), Tier.CHECKSUMS, "1/7"), verify)
    rig.failing = True
    rig.run(1)
    assert [round(at) for at in rig.tried] == [30 + number * 300 for number in range(12)]


def test_the_node_verifies_and_drills_by_itself(database: Path, tmp_path: Path) -> None:
    repository = tmp_path / "checkpoints"
    back_up(database, repository)
    config = write_config(
        tmp_path, verify_interval="1s", verify_tier="closure", drill_interval="1s", schedule_jitter=0, retry_delay=1
    )
    with running_node(config) as node, node.client() as client:

        def kinds() -> list[str]:
            return [job.kind for job in client.status() if job.state == "succeeded"]

        wait_for(lambda: min(kinds().count(kind) for kind in ("verify", "drill")) >= 2, "two of each")
        assert {job.origin for job in client.status()} == {"schedule"}
        info = client.info()
        assert info.next_verification is not None
        assert info.next_drill is not None
        assert info.next_backup is None
        assert "no schedule" in node.admin("info").stdout
    record = load_record(Files(), Layout(repository), 1)
    assert record.last_proven_restorable is not None


def test_damage_is_not_looked_for_again_before_the_next_time(database: Path, tmp_path: Path) -> None:
    repository = tmp_path / "checkpoints"
    back_up(database, repository)
    flip(repository / file_of_kind(repository, 1, "wal"))
    with running_node(write_config(tmp_path, verify_interval="1d", schedule_jitter=0)) as node, node.client() as client:
        wait_for(lambda: client.status() and client.status()[0].state.is_final, "the verification")
        wait_for(lambda: (client.info().next_verification or 0) > client.info().started + 80000, "the next one")
        (job,) = client.status()
        assert (job.kind, job.origin, job.state) == ("verify", "schedule", "failed")
    with running_node(write_config(tmp_path, verify_interval="1d", schedule_jitter=0)) as node, node.client() as client:
        wait_for(lambda: client.info().next_verification is not None, "the schedule")
        assert client.status() == ()
