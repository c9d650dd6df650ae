"""The schedule on a clock that the test drives, with real backups in a real repository."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.server.node import running_node, wait_for, write_config
from walrus_fast.errors import DiskFull
from walrus_fast.files import Files
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.operations.keeping.prune import prune_backups
from walrus_fast.operations.progress import silent
from walrus_fast.repository.catalog import load_catalog
from walrus_fast.repository.layout import Layout
from walrus_fast.server.job_spec import Newest, NewestTask
from walrus_fast.server.perform import perform
from walrus_fast.server.schedule import Schedule
from walrus_fast.snapshot.model import SnapshotRequest

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600.0
START = 1_750_000_000.0


class EndOfTest(Exception):
    """The time that the test wanted has passed."""


class DrivenClock:
    """Time passes by sleeping only. `skew` is what somebody did to the wall clock."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.skew = 0.0
        self.until = 0.0

    def wall(self) -> float:
        return START + self.passed + self.skew

    def monotonic(self) -> float:
        return 5.0 + self.passed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        if self.passed + seconds > self.until:
            self.passed = self.until
            raise EndOfTest
        self.passed += seconds


@dataclass
class Pace:
    """Every four hours, retries after five minutes."""

    interval: float = 4 * HOUR
    retry_delay: float = 300.0
    jitter: float = 60.0


class Rig:
    """A schedule, its clock, and the backups that it really makes."""

    def __init__(self, database: Path, repository: Path) -> None:
        self.database = database
        self.repository = repository
        self.clock = DrivenClock()
        self.made: list[float] = []  # seconds since the start of the test
        self.tried: list[float] = []
        self.failing = False
        self.active = 0
        self.schedule = self.restarted()

    def restarted(self) -> Schedule:
        """A schedule that remembers nothing."""
        return Schedule(self.clock, Pace, what="backup", last=self.newest, run_once=self.backup, chance=lambda: 0.5)

    async def newest(self) -> float | None:
        said = perform(Files(), NewestTask(str(self.repository)), observer=silent, rate=lambda: 0)
        assert isinstance(said, Newest)
        return said.created

    async def backup(self) -> bool:
        assert self.active == 0
        self.active += 1
        self.tried.append(self.clock.passed)
        await asyncio.sleep(0)
        self.active -= 1
        if self.failing:
            return False
        self.make()
        prune_backups(Files(), self.repository, keep=2)
        self.made.append(self.clock.passed)
        return True

    def make(self) -> None:
        """A backup by whomever."""
        request = CreateRequest(SnapshotRequest(self.database), self.repository, sync=False)
        create_backup(Files(), request, now=self.clock.wall)

    def run(self, hours: float) -> None:
        """Let so much time pass."""
        self.clock.until = self.clock.passed + hours * HOUR
        try:
            asyncio.run(self.schedule.run())
        except EndOfTest:
            return

    @property
    def ids(self) -> list[int]:
        return [backup.backup_id for backup in load_catalog(Files(), Layout(self.repository))]


def test_a_day_of_schedule(database: Path, repository: Path) -> None:
    rig = Rig(database, repository)
    rig.run(24)
    # The first one 30 s after the start (half of the jitter), then every four hours and 30 s.
    assert [round(at) for at in rig.made] == [30 + number * 14430 for number in range(6)]
    assert rig.ids == [5, 6]


def test_a_restart_in_between_changes_nothing(database: Path, repository: Path) -> None:
    rig = Rig(database, repository)
    for _ in range(24):
        rig.run(1)
        rig.schedule = rig.restarted()
    gaps = [after - before for before, after in zip(rig.made, rig.made[1:], strict=False)]
    assert len(rig.made) == 6
    assert all(4 * HOUR <= gap <= 4 * HOUR + 61 for gap in gaps)


def test_a_restart_after_a_long_pause_makes_one_backup_not_those_missed(database: Path, repository: Path) -> None:
    rig = Rig(database, repository)
    rig.run(1)
    rig.clock.passed += 48 * HOUR
    rig.schedule = rig.restarted()
    rig.run(3)
    assert len(rig.made) == 2


def test_failures_are_retried_every_five_minutes_and_never_faster(database: Path, repository: Path) -> None:
    rig = Rig(database, repository)
    rig.failing = True
    rig.run(1)
    assert [round(at) for at in rig.tried] == [30 + number * 300 for number in range(12)]
    rig.failing = False
    rig.run(1)
    assert len(rig.made) == 1


def test_a_backup_by_somebody_else_moves_the_next_one(database: Path, repository: Path) -> None:
    rig = Rig(database, repository)
    rig.run(3)
    rig.make()
    rig.run(3)
    assert len(rig.made) == 1
    rig.run(2)
    assert len(rig.made) == 2


def test_a_clock_that_is_set_back_does_no_harm(database: Path, repository: Path) -> None:
    rig = Rig(database, repository)
    rig.run(1)
    rig.clock.skew = -1000 * HOUR
    rig.run(12)
    assert len(rig.made) == 4
    rig.schedule = rig.restarted()  # the newest backup is from the future now, by the clock's word
    rig.clock.skew = -2000 * HOUR
    rig.run(8.5)
    assert len(rig.made) == 6
    rig.clock.skew = 5000 * HOUR  # forward: no burst
    rig.run(8)
    assert len(rig.made) == 8


def test_a_repository_that_cannot_be_read_is_tried_again(database: Path, repository: Path) -> None:
    rig = Rig(database, repository)

    async def unreadable() -> float | None:
        rig.tried.append(rig.clock.passed)
        raise DiskFull("test")

    rig.schedule = Schedule(rig.clock, Pace, what="backup", last=unreadable, run_once=rig.backup, chance=lambda: 0.5)
    rig.run(1)
    assert rig.tried == [number * 300.0 for number in range(13)]
    assert rig.made == []


def test_the_node_makes_its_backups_and_keeps_so_many(database: Path, tmp_path: Path) -> None:
    checkpoint = {"periodic_db_checkpoints": True, "db_checkpoint_interval": "1s", "max_db_checkpoints": 2}
    config = write_config(tmp_path, checkpoint=checkpoint, schedule_jitter=0, retry_delay=1)
    with running_node(config) as node, node.client() as client:
        wait_for(lambda: len(client.status()) >= 3 and client.status()[0].state == "succeeded", "three backups")
        assert len(client.list().backups) == 2
        assert {job.origin for job in client.status()} == {"schedule"}
        assert client.info().next_backup is not None
