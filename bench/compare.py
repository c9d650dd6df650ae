"""Our own medians before and after a change, from two result files of one machine."""

from __future__ import annotations

from bench.contest import spread
from bench.results import Results, merge

__all__ = ["comparison"]


def comparison(old: Results, new: Results) -> str:
    """A line for each contest that both have. Raises: DifferentMachines."""
    merge([old, new])
    before = {outcome.key: outcome for outcome in old.outcomes}
    lines = [f"{'contest':34} {'contender':28} {'before':>9} {'after':>9}  ratio"]
    for outcome in new.outcomes:
        if outcome.key not in before:
            continue
        for name, runs in outcome.runs.items():
            if name.startswith("walrus-fast") and name in before[outcome.key].runs:
                first = spread([run.wall for run in before[outcome.key].runs[name]]).median
                second = spread([run.wall for run in runs]).median
                lines.append(f"{outcome.key:34} {name:28} {first:9.3f} {second:9.3f}  {first / second:.2f}")
    return "\n".join(lines)
