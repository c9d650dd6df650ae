"""The owner's figures beside each kind of backup, relative to its figures alone."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bench.contest import spread

if TYPE_CHECKING:
    from bench.contest import Outcome
    from bench.measure import Run

__all__ = ["is_owner_contest", "owner_table"]

_FIGURES = (
    ("reads/s", "reads_per_second"),
    ("read p99, µs", "read_p99"),
    ("durable write p99, µs", "write_p99"),
)


def is_owner_contest(outcome: Outcome) -> bool:
    """Whether the figures are an owner's rather than a contender's own."""
    return outcome.key.split("-")[0] == "owner"


def owner_table(outcome: Outcome) -> list[str]:
    """Lines of a table: medians, and in brackets how many times the owner's figure alone, round by round.

    The first contender of the outcome is the owner alone.
    """
    heads = " | ".join(head for head, _ in _FIGURES)
    lines = [f"| beside the owner | {heads} | backups |", "|---" * (len(_FIGURES) + 2) + "|"]
    alone = next(iter(outcome.runs.values()))
    for name, runs in outcome.runs.items():
        cells = [_cell(runs, alone, key) for _, key in _FIGURES]
        backups = statistics.median(_figure(run, "backups") for run in runs)
        lines.append("| " + " | ".join([name, *cells, f"{backups:.3g}"]) + " |")
    return lines


def _cell(runs: list[Run], alone: list[Run], key: str) -> str:
    median = statistics.median(_figure(run, key) for run in runs)
    if runs is alone:
        return f"{median:.4g}"
    pairs = zip(runs, alone, strict=True)
    found = spread([_figure(run, key) / _figure(idle, key) for run, idle in pairs])
    return f"{median:.4g} ({found.median:.2f} x, {found.low:.2f} to {found.high:.2f})"


def _figure(run: Run, key: str) -> float:
    value = run.report[key]
    assert isinstance(value, float | int), f"{key}: {value!r}"
    return float(value)
