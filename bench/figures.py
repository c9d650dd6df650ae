"""From runs to figures: ratios within each round, and whether an aim was reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.contest import spread

if TYPE_CHECKING:
    from bench.contest import Aim, Outcome, Spread
    from bench.measure import Run

__all__ = ["Verdict", "is_ours", "judge", "operation", "ratios", "strict_ratios"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an aim, in words for the table."""

    wanted: str
    found: str
    reached: bool


def is_ours(name: str) -> bool:
    """Contenders of ours are those that are compared with all others."""
    return name.startswith("walrus-fast")


def operation(run: Run) -> float:
    """The operation alone where the program says it, otherwise the whole process."""
    return run.wall if run.seconds is None else run.seconds


def ratios(outcome: Outcome, ours: str, peer: str) -> Spread:
    """The peer's time by ours, operation by operation, round by round."""
    pairs = zip(outcome.runs[peer], outcome.runs[ours], strict=True)
    return spread([operation(theirs) / operation(mine) for theirs, mine in pairs])


def strict_ratios(outcome: Outcome, ours: str, peer: str) -> Spread:
    """The same with our whole process, interpreter start included, against the peer's operation alone."""
    pairs = zip(outcome.runs[peer], outcome.runs[ours], strict=True)
    return spread([operation(theirs) / mine.wall for theirs, mine in pairs])


def judge(outcome: Outcome, aim: Aim) -> Verdict:
    """By the median of the paired runs."""
    if aim.peer:
        found = ratios(outcome, aim.ours, aim.peer)
        words = f"{found.median:.2f} x ({found.low:.2f} to {found.high:.2f})"
        return Verdict(f"≥ {aim.ratio:.3g} x {aim.peer}", words, found.median >= aim.ratio)
    runs = outcome.runs[aim.ours]
    taken = spread([run.wall if aim.basis == "process" else operation(run) for run in runs])
    words = f"{taken.median * 1e3:.1f} ms ({taken.low * 1e3:.1f} to {taken.high * 1e3:.1f})"
    return Verdict(f"≤ {aim.limit * 1e3:.4g} ms", words, taken.median <= aim.limit)
