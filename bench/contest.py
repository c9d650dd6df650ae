"""Contenders in turn, round after round, in one run: what slows the machine for a while slows them all.

A ratio is taken within a round, never between the best of one and the best of another; the order rotates from
round to round, so that nobody always goes first.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.measure import Cache, Run, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["Aim", "Contender", "Contest", "Outcome", "Spread", "hold", "spread"]


def _nothing() -> None:
    """For contenders without preparation or clean-up."""


def _unchecked(run: Run) -> None:
    """For measures whose result is the time alone."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do the work. Only `act` is on the clock; `check` raises when the work was not done right."""

    name: str
    act: Callable[[], Run]
    prepare: Callable[[], None] = _nothing
    check: Callable[[Run], None] = _unchecked
    clean: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class Aim:
    """What was hoped for: the peer's time is at least `ratio` times ours.

    Without a peer, `limit` is in seconds for the whole run. `basis` is what is compared:
    "operation" (the program's own figure, without process start and opening) or "process" (wall time).
    """

    ours: str
    peer: str = ""
    ratio: float = 0.0
    limit: float = 0.0
    basis: str = "operation"


@dataclass(frozen=True, slots=True)
class Contest:
    """What is measured. Contenders whose name begins with "walrus-fast" are compared with all others."""

    key: str
    title: str
    contenders: Sequence[Contender]
    reads: Sequence[Path] = ()
    cache: Cache = Cache.WARM
    aims: Sequence[Aim] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out: for each contender its runs, round by round."""

    key: str
    title: str
    cache: Cache
    aims: list[Aim]
    note: str
    runs: dict[str, list[Run]]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, and the extremes beside it."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def hold(contest: Contest, rounds: int) -> Outcome:
    """Run every contender in every round. Raises: CommandFailed, or what a check raises; half a contest is none."""
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contest.contenders}
    print(f"{contest.key} ({contest.cache})", end="", file=sys.stderr, flush=True)
    for round_ in range(rounds):
        turn = round_ % len(contest.contenders)
        for contender in (*contest.contenders[turn:], *contest.contenders[:turn]):
            contender.prepare()
            try:
                settle(contest.cache, contest.reads)
                run = contender.act()
                contender.check(run)
            finally:
                contender.clean()
            runs[contender.name].append(run)
        print(".", end="", file=sys.stderr, flush=True)
    medians = (f"{name} {statistics.median(run.wall for run in all_):.3f} s" for name, all_ in runs.items())
    print(f"\n    {', '.join(medians)}", file=sys.stderr, flush=True)
    return Outcome(contest.key, contest.title, contest.cache, list(contest.aims), contest.note, runs)
