"""The rate that gives way to I/O pressure: by a pressure file that the test writes, and a clock that it turns."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.transfer.test_pacer import Clock
from walrus_fast.errors import StorageError
from walrus_fast.files import Files
from walrus_fast.operations.pace.governor import Governor
from walrus_fast.operations.pace.pressure import PressureGauge, find_gauge
from walrus_fast.operations.progress import JobProgress, Observer, Phase, silent
from walrus_fast.rates import AUTO, RateLimit
from walrus_fast.rocksdb.ownership import owner_pid
from workload.driver import running_writer

if TYPE_CHECKING:
    from collections.abc import Iterator

MB = 1_000_000
FLOOR = 8 << 20


@dataclass
class Machine:
    """A disk that gives `disk` bytes a second, and a pressure file that says how long tasks waited for it."""

    path: Path
    disk: int = 400 * MB
    usual: float = 0.0
    limit: RateLimit = AUTO
    clock: Clock = field(default_factory=Clock)
    waited: int = 0
    done: int = 0

    def __post_init__(self) -> None:
        self.write()
        gauge = PressureGauge(Files(), self.path, clock=self.clock)
        self.governor = Governor(lambda: self.limit, lambda: gauge, clock=self.clock)
        self.observer: Observer = self.governor.watching(silent)

    def write(self) -> None:
        averages = f"avg10=0.00 avg60=0.00 avg300={self.usual * 100:.2f}"
        self.path.write_text(f"some {averages} total={self.waited}\nfull {averages} total=0\n")

    def run(self, seconds: float, stalled: float) -> list[int]:
        """Work for a while, tasks waiting for a share of it; the rates in force, ten a second."""
        rates = []
        for _ in range(round(seconds * 10)):
            rate = self.governor()
            rates.append(rate)
            self.clock.now += 0.1
            self.waited += round(stalled * 100_000)
            self.done += (min(rate, self.disk) if rate else self.disk) // 10
            self.write()
            self.observer(JobProgress(Phase.TRANSFERRING, self.done))
        return rates


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "io.pressure")


def test_a_calm_machine_is_no_limit(machine: Machine) -> None:
    assert set(machine.run(60, stalled=0.05)) == {0}


def test_under_pressure_it_halves_down_to_the_floor(machine: Machine) -> None:
    machine.run(1, stalled=0)
    rates = machine.run(4, stalled=0.5)
    cuts = [after for before, after in pairwise(rates) if after != before]
    assert cuts[0] == pytest.approx(200 * MB, rel=0.01)
    assert all(after == pytest.approx(max(before / 2, FLOOR), rel=0.01) for before, after in pairwise(cuts))
    assert rates[-1] == FLOOR
    # Each cut had time to be felt before the next.
    assert all(len({rate for rate in rates[at : at + 4] if rate}) <= 2 for at in range(len(rates)))


def test_it_recovers_slowly_and_then_there_is_no_limit(machine: Machine) -> None:
    machine.run(1, stalled=0)
    machine.run(4, stalled=0.5)
    rates = machine.run(30, stalled=0.02)
    limited = [rate for rate in rates if rate]
    assert limited == sorted(limited)
    steps = [after - before for before, after in pairwise(limited) if after != before]
    assert max(steps) == pytest.approx(400 * MB / 16, rel=0.01)
    assert rates[-1] == 0


def test_a_pressure_that_comes_with_the_rate_is_kept_below(machine: Machine) -> None:
    """A disk on which others wait as soon as we take more than 100 MB/s: the rate saws around that."""
    machine.run(1, stalled=0)
    rates: list[int] = [1]
    for _ in range(600):
        rates += machine.run(0.1, stalled=0.4 if rates[-1] > 100 * MB or rates[-1] == 0 else 0)
    settled = rates[300:]
    assert min(settled) > 40 * MB
    assert max(settled) < 140 * MB
    assert 60 * MB < sum(settled) / len(settled) < 110 * MB


def test_a_database_that_always_waits_is_not_our_doing(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "io.pressure", usual=0.4)
    assert set(machine.run(10, stalled=0.45)) == {0}
    assert machine.run(4, stalled=0.6)[-1] == FLOOR


def test_waiting_that_does_not_end_at_the_floor_is_not_our_doing(machine: Machine) -> None:
    machine.run(1, stalled=0)
    assert machine.run(4, stalled=0.9)[-1] == FLOOR
    assert machine.run(60, stalled=0.9)[-1] == 0
    # What was learned in a bad hour is forgotten in a good one.
    machine.run(10, stalled=0.05)
    assert machine.run(4, stalled=0.3)[-1] == FLOOR


def test_the_limit_may_change_while_a_job_runs(machine: Machine) -> None:
    machine.run(1, stalled=0)
    machine.run(10, stalled=0.5)
    assert machine.governor() != 0
    machine.limit = 5 * MB
    assert set(machine.run(1, stalled=0.5)) == {5 * MB}
    machine.limit = 0
    assert set(machine.run(1, stalled=0.5)) == {0}
    machine.limit = AUTO
    assert machine.run(4, stalled=0.9)[-1] == FLOOR


def test_a_new_transfer_of_the_same_job_counts_from_the_beginning(machine: Machine) -> None:
    machine.run(1, stalled=0)
    machine.done = 0
    assert machine.run(1, stalled=0.5)[-1] == pytest.approx(100 * MB, rel=0.3)


def test_a_pressure_file_that_goes_away_is_no_pressure(machine: Machine) -> None:
    """The owner was stopped, and its cgroup is gone."""
    machine.run(1, stalled=0)
    machine.run(10, stalled=0.5)
    machine.path.unlink()
    for _ in range(200):
        machine.clock.now += 0.1
        machine.governor()
    assert machine.governor() == 0


@pytest.mark.parametrize("content", ["", "nonsense\n", None])
def test_without_pressure_information_there_is_no_gauge(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "pressure").mkdir()
    if content is not None:
        (tmp_path / "pressure" / "io").write_text(content)
    assert find_gauge(Files(), None, proc=tmp_path) is None
    governor = Governor(lambda: AUTO, lambda: None)
    assert governor() == 0


class Refusing(Files):
    """A kernel that was booted with psi=0."""

    def read_bytes(self, path: Path | str, limit: int = 1 << 30) -> bytes:
        raise StorageError("operation not supported", number=95)


def test_a_pressure_file_that_refuses_to_be_read() -> None:
    assert find_gauge(Refusing(), None) is None


def test_the_kernels_own_file_is_understood() -> None:
    if not os.path.exists("/proc/pressure/io"):
        pytest.skip("this kernel has no pressure information")
    gauge = PressureGauge(Files(), Path("/proc/pressure/io"))
    found = gauge.read()
    assert found is not None
    assert 0 <= found[0] <= 1
    assert found[1] >= 0
    assert gauge.stalled() == 0
    assert 0 <= gauge.stalled() <= 1


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database with an owner."""
    database = tmp_path_factory.mktemp("owned") / "db"
    with running_writer(database, seed=1, rate=1000) as writer:
        writer.advance(1)
        yield database


@pytest.mark.parametrize(
    ("theirs", "ours", "chosen"),
    [
        ("/system.slice/node.service", "/system.slice/backup.service", "owner"),
        ("/system.slice/node.service", "/", "owner"),
        ("/system.slice/node.service", "/system.slice/node.service", "host"),  # we would see our own waiting
        ("/system.slice", "/system.slice/backup.service", "host"),
        ("/", "/system.slice/backup.service", "host"),
        ("/gone.service", "/", "host"),
        (None, "/", "host"),  # cgroups of version 1
    ],
)
def test_the_owners_own_cgroup_tells_best(
    owned: Path, tmp_path: Path, theirs: str | None, ours: str, chosen: str
) -> None:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    for name, group in ((str(owner_pid(Files(), owned)), theirs), ("self", ours)):
        (proc / name).mkdir(parents=True)
        version_2 = f"0::{group}\n" if group else ""
        (proc / name / "cgroup").write_text(f"3:memory:/elsewhere\n{version_2}")
    host, owner = proc / "pressure" / "io", cgroups / "system.slice" / "node.service" / "io.pressure"
    for path in (host, owner):
        path.parent.mkdir(parents=True)
        path.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n")
    gauge = find_gauge(Files(), owned, proc=proc, cgroups=(tmp_path / "none", cgroups))
    assert gauge is not None
    assert gauge.path == (owner if chosen == "owner" else host)


def test_a_database_without_an_owner_is_the_hosts(tmp_path: Path) -> None:
    (tmp_path / "LOCK").touch()
    gauge = find_gauge(Files(), tmp_path)
    assert gauge is None or gauge.path == Path("/proc/pressure/io")
