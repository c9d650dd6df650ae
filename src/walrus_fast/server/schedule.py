"""When the next run (a backup, a verification, a drill) is due: so long after the last one that the repository knows
of, whoever made it.

The wall clock only says how old that one is, once, when it is first seen; from then on the monotonic clock
counts. So a clock that is set changes nothing while the server runs, and after a restart at most one interval.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from walrus_fast.errors import WalrusFastError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Clock", "Pace", "Schedule"]

_LOG = logging.getLogger(__name__)


class Clock(Protocol):
    """Time, and waiting for it."""

    def wall(self) -> float:
        """Seconds since 1970; may be set."""

    def monotonic(self) -> float:
        """Seconds that only go on."""

    async def sleep(self, seconds: float) -> None:
        """Wait; wakes early when the schedule should look again (a new configuration)."""


class Pace(Protocol):
    """Seconds, as the configuration has them now."""

    @property
    def interval(self) -> float:
        """Between two runs."""

    @property
    def retry_delay(self) -> float:
        """After a failure."""

    @property
    def jitter(self) -> float:
        """At most this much later than due, by chance."""


class Schedule:
    """`last` says when the last run was; `run_once` makes one, or waits for one that is being made, and says whether
    it was done. Missed ones are not made up for: there is one next one, and it may be overdue. `what` is for the log.
    """

    def __init__(
        self,
        clock: Clock,
        pace: Callable[[], Pace | None],
        *,
        what: str,
        last: Callable[[], Awaitable[float | None]],
        run_once: Callable[[], Awaitable[bool]],
        chance: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._pace = pace
        self._what = what
        self._last = last
        self._run_once = run_once
        self._chance = chance
        self._seen: float | None = None  # the last run that was looked at
        self._base = clock.monotonic()  # when it was, by the monotonic clock
        self._not_before = clock.monotonic()
        self._late = chance()
        self._due: float | None = None

    @property
    def next_due(self) -> float | None:
        """When the next run is due, seconds since 1970 by the clock as it is now; None: there is no schedule."""
        if self._due is None:
            return None
        return self._clock.wall() + max(0.0, self._due - self._clock.monotonic())

    async def run(self) -> None:
        """Run and run again until cancelled."""
        while True:
            pace = self._pace()
            if pace is None:
                self._due = None
                await self._clock.sleep(3600)
                continue
            self._due = await self._when(pace)
            wait = self._due - self._clock.monotonic()
            if wait > 0:
                _LOG.info("the next %s is due in %.0f s", self._what, wait)
                await self._clock.sleep(wait)
                continue  # look again: somebody else may have made one meanwhile
            await self._make_one(pace)

    async def _when(self, pace: Pace) -> float:
        try:
            last = await self._last()
        except WalrusFastError as exc:
            _LOG.error("the repository cannot be read: %s", exc.message)
            self._not_before = self._clock.monotonic() + pace.retry_delay
            return self._not_before
        if last is None:
            self._seen = None
            return max(self._not_before, self._base + self._late * pace.jitter)
        if last != self._seen:
            # A run in the future: the clock was set back. It counts as made now.
            age = max(0.0, self._clock.wall() - last)
            self._seen, self._base = last, self._clock.monotonic() - age
            self._late = self._chance()
        return max(self._base + pace.interval + self._late * pace.jitter, self._not_before)

    async def _make_one(self, pace: Pace) -> None:
        try:
            done = await self._run_once()
        except WalrusFastError as exc:
            _LOG.error("the scheduled %s could not begin: %s", self._what, exc.message)
            done = False
        if done:
            # Were it not to be seen in the repository, for whatever reason, this keeps the loop from being a tight one.
            self._not_before = self._clock.monotonic() + min(pace.interval, pace.retry_delay)
        else:
            self._not_before = self._clock.monotonic() + pace.retry_delay
            _LOG.warning("the %s is tried again in %.0f s", self._what, pace.retry_delay)
