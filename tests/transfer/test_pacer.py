"""The rate limit in arithmetic, with a clock of the test's own; and its way through the control block."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walrus_fast.errors import Cancelled
from walrus_fast.files import Files
from walrus_fast.transfer.control import ControlBlock, OwnerWatch, Pacer, TaskCounters


class Clock:
    """Time that passes only while somebody sleeps, or when told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


class Setting:
    """A control block with one task, a clock and a pacer."""

    def __init__(self, rate: int) -> None:
        self.control = ControlBlock(Files(), 1)
        self.control.set_rate(rate)
        self.counters = TaskCounters(Files(), self.control.path, 0)
        self.clock = Clock()
        self.pacer = Pacer(self.counters, sleep=self.clock.sleep, clock=self.clock)

    def __enter__(self) -> Setting:
        return self

    def __exit__(self, *_: object) -> None:
        self.counters.close()
        self.control.__exit__(None, None, None)


@given(st.integers(1000, 10**9), st.lists(st.integers(1, 10**6), min_size=1, max_size=50))
def test_bytes_never_come_faster_than_the_rate(rate: int, chunks: list[int]) -> None:
    with Setting(rate) as setting:
        started = setting.clock.now
        for chunk in chunks:
            setting.pacer.spend(chunk)
        elapsed = setting.clock.now - started
    assert elapsed >= sum(chunks) / rate - 0.06
    assert elapsed <= sum(chunks) / rate + 0.001


def test_no_rate_no_sleep() -> None:
    with Setting(0) as setting:
        setting.pacer.spend(10**12)
        assert setting.clock.naps == []


def test_idle_time_is_not_saved_up() -> None:
    with Setting(1000) as setting:
        setting.clock.now += 3600
        setting.pacer.spend(1000)
        assert sum(setting.clock.naps) == pytest.approx(0.95)


def test_a_changed_rate_takes_effect_within_a_nap() -> None:
    with Setting(1) as setting:
        naps = 0

        def sleep(seconds: float) -> None:
            nonlocal naps
            naps += 1
            setting.clock.now += seconds
            if naps == 3:
                setting.control.set_rate(0)

        Pacer(setting.counters, sleep=sleep, clock=setting.clock).spend(10**9)
        assert naps == 3
        assert setting.clock.now < 1001


def test_what_is_owed_is_paid_at_the_new_rate() -> None:
    with Setting(1000) as setting:
        rates = [2000, 500, 4000]

        def sleep(seconds: float) -> None:
            setting.clock.now += seconds
            if rates:
                setting.control.set_rate(rates.pop(0))

        started = setting.clock.now
        Pacer(setting.counters, sleep=sleep, clock=setting.clock).spend(2050)
        # 200 go at 1000, 400 at 2000, 100 at 500 bytes a second, 1350 at 4000.
        assert setting.clock.now - started == pytest.approx(0.2 + 0.2 + 0.2 + 1350 / 4000)


def test_naps_are_short() -> None:
    with Setting(1000) as setting:
        setting.pacer.spend(5000)
        assert max(setting.clock.naps) <= 0.2


def test_counters_go_up_and_the_rate_comes_down() -> None:
    with Setting(5) as setting:
        setting.counters.add_bytes(10)
        setting.counters.add_bytes(1)
        setting.counters.add_file()
        assert setting.control.done() == (11, 1)
        assert setting.counters.rate == 5


def test_a_dead_owner_is_noticed() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    watch = OwnerWatch(pid)  # a zombie: dead, and its number is not free yet
    with pytest.raises(Cancelled):
        watch.check()
    with pytest.raises(Cancelled):
        watch.sleep(60)
    watch.close()
    os.waitpid(pid, 0)
    with pytest.raises(Cancelled, match=str(pid)):
        OwnerWatch(pid)


def test_the_own_process_has_nothing_to_watch() -> None:
    watch = OwnerWatch(os.getpid())
    watch.check()
    watch.sleep(0)
    watch.close()
