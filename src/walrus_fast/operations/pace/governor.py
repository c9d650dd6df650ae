"""The rate that a job keeps: the operator's, or one that gives way when tasks wait for I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from walrus_fast.rates import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable

    from walrus_fast.operations.pace.pressure import PressureGauge
    from walrus_fast.operations.progress import JobProgress, Observer
    from walrus_fast.rates import RateLimit

__all__ = ["Governor"]

# As TCP does it: half as fast at once, and slowly faster again; several jobs that see the same pressure share fairly.
_FLOOR = 8 << 20  # bytes a second: a terabyte in a day and a half, however busy the machine
_WINDOW = 0.25  # seconds between looks; the kernel's own shortest average, over ten seconds, would be too late
_HOLD = 0.5  # seconds: a cut must be felt before the next
_TOLERANCE = 0.10  # of the time, above what is the owner's own
_MEMORY = 8  # looks: how long it takes to learn what is
_STEPS = 16  # from nothing to the fastest so far: four seconds


class Governor:
    """Called for the rate in force: bytes a second for the whole job, 0 for no limit.

    `limit` is asked each time, so it may change while the job runs. `find` is asked once, when the limit is AUTO for
    the first time; without a gauge AUTO is no limit.
    """

    def __init__(
        self,
        limit: Callable[[], RateLimit],
        find: Callable[[], PressureGauge | None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._find = find
        self._clock = clock
        self._gauge: PressureGauge | None = None
        self._started = False
        self._rate = 0.0
        self._own = 0.0
        self._fastest = float(_FLOOR)
        self._moved = self._seen = 0
        self._looked = self._held = 0.0

    def watching(self, observer: Observer) -> Observer:
        """The same observer; what it is told of bytes moved, the governor hears too."""

        def observe(progress: JobProgress) -> None:
            # The count begins anew with each transfer of a job.
            self._moved += progress.bytes_done - (self._seen if progress.bytes_done >= self._seen else 0)
            self._seen = progress.bytes_done
            observer(progress)

        return observe

    def __call__(self) -> int:
        """The rate now."""
        limit = self._limit()
        if limit != AUTO:
            self._rate = 0.0
            return limit
        if not self._started:
            self._start()
        now = self._clock()
        if self._gauge is not None and now - self._looked >= _WINDOW:
            self._look(self._gauge, now)
        return int(self._rate)

    def _start(self) -> None:
        self._started = True
        self._gauge = self._find()
        self._looked = self._clock()
        usual = self._gauge.read() if self._gauge is not None else None
        if self._gauge is not None and usual is not None:
            self._own = usual[0]
            self._gauge.stalled()

    def _look(self, gauge: PressureGauge, now: float) -> None:
        speed = self._moved / (now - self._looked)
        self._moved, self._looked = 0, now
        self._fastest = max(self._fastest, speed)
        stalled = gauge.stalled()
        if stalled > self._tolerated():
            if now >= self._held:
                self._rate = max(float(_FLOOR), min(self._rate or speed, speed) / 2)
                self._held = now + _HOLD
        elif self._rate:
            self._rate += self._fastest / _STEPS
            if self._rate >= 2 * self._fastest:
                self._rate = 0.0
        self._learn(stalled)

    def _tolerated(self) -> float:
        # Halfway to all of the time at most: a database that waits for nearly all of it can still wait longer.
        return self._own + min(_TOLERANCE, (1 - self._own) / 2)

    def _learn(self, stalled: float) -> None:
        """A database that always waits for its disk is not made to wait by us: what is seen at the floor is its own.

        At any other rate, what is seen is never less than that.
        """
        if stalled < self._own or 0 < self._rate <= _FLOOR:
            self._own += (stalled - self._own) / _MEMORY
