"""docs/benchmarks.md from results: the aims, every contest, two plots, and at the end what bench/notes.md says."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contest import spread
from bench.figures import is_ours, judge, operation, ratios, strict_ratios
from bench.owner_table import is_owner_contest, owner_table
from bench.plot import bars, curves
from bench.results import merge

if TYPE_CHECKING:
    from bench.contest import Outcome, Spread
    from bench.results import Results

__all__ = ["write_report"]

_NOTES = Path(__file__).with_name("notes.md")

_INTRODUCTION = """# Benchmarks

Written by `make bench` (`python -m bench`); do not edit. The notes at the end, on where the time goes, come from
`bench/notes.md`.

All contenders of a contest take turns in one run, and the order rotates. A ratio is taken within a round; shown are the
median over the rounds and, in brackets, the least and the greatest. After each run the result is checked: a backup
is verified byte by byte, a restored database compared with its source, copied and linked file sets by name and size.

**Operation** is what the program itself reports, without process start and opening (where a program reports nothing it
is the whole process). **Process** is wall time from the start of the process to its end. **Strict** compares our whole
process, interpreter start included, with the peer's operation alone. RocksDB's engine runs through `librocksdb` 7.8
(`bench/peers/engine.cc`) with its defaults, `sync` among them; ours has `sync` on unless the contender says otherwise.
"""


def write_report(results: Results, document: Path) -> None:
    """Write the document and its plots beside it."""
    if not results.parts:
        results = merge([results])
    document.parent.mkdir(parents=True, exist_ok=True)
    parts = [_INTRODUCTION, _circumstances(results), _aims(results)]
    if drawn := _ratio_plot(results):
        document.with_name("benchmarks-ratios.svg").write_text(drawn)
        parts.append("![Ratios to BackupEngine with two threads](benchmarks-ratios.svg)\n")
    if drawn := _curve_plot(results):
        document.with_name("benchmarks-files.svg").write_text(drawn)
        parts.append("![Seconds by number of files](benchmarks-files.svg)\n")
    parts.append("## Every contest\n")
    parts += [_contest(outcome) for outcome in results.outcomes]
    parts.append(_NOTES.read_text())
    document.write_text("\n".join(parts))


def _circumstances(results: Results) -> str:
    machine = results.machine
    return "\n".join(
        [
            "| | |",
            "|---|---|",
            *(f"| Measured | {part} |" for part in results.parts),
            f"| Machine | {machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB, Linux {machine.kernel} |",
            f"| File system | {machine.file_system}; scheduler {machine.scheduler} |",
            f"| Python | {machine.python} |",
            f"| Load when the runs began | {_loads(results)} |",
            "",
        ]
    )


def _loads(results: Results) -> str:
    loads = [run.load for outcome in results.outcomes for runs in outcome.runs.values() for run in runs]
    found = spread(loads)
    return f"median {found.median:.1f} ({found.low:.1f} to {found.high:.1f}) on {results.machine.cores} cores"


def _aims(results: Results) -> str:
    lines = ["## Aims\n", "| contest | cache | aim | found | strict | |", "|---|---|---|---|---|---|"]
    for outcome in results.outcomes:
        for aim in outcome.aims:
            verdict = judge(outcome, aim)
            strict = f"{strict_ratios(outcome, aim.ours, aim.peer).median:.2f} x" if aim.peer else ""
            mark = "reached" if verdict.reached else "**not reached**"
            what = f"{outcome.title} ({aim.ours})"
            lines.append(f"| {what} | {outcome.cache} | {verdict.wanted} | {verdict.found} | {strict} | {mark} |")
    return "\n".join([*lines, ""])


def _contest(outcome: Outcome) -> str:
    mine = [name for name in outcome.runs if is_ours(name)]
    head = " | ".join(f"by {name}" for name in mine)
    lines = [f"### {outcome.title}, {outcome.cache} cache\n"]
    if outcome.note:
        lines.append(f"{outcome.note}\n")
    if is_owner_contest(outcome):
        return "\n".join([*lines, *owner_table(outcome), ""])
    lines.append(f"| contender | operation, s | process, s | peak, MiB | {head} |")
    lines.append("|---" * (4 + len(mine)) + "|")
    for name, runs in outcome.runs.items():
        compared = ["" if is_ours(name) else _words(ratios(outcome, one, name)) + " x" for one in mine]
        cells = [
            name,
            _words(spread([operation(run) for run in runs])),
            _words(spread([run.wall for run in runs])),
            f"{statistics.median(run.peak_kib for run in runs) / 1024:.0f}",
            *compared,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _words(found: Spread) -> str:
    return f"{found.median:.3g} ({found.low:.3g}–{found.high:.3g})"  # noqa: RUF001  (a range is written so)


def _ratio_plot(results: Results) -> str:
    rows = [
        (f"{outcome.title}, {outcome.cache}: {name.removeprefix('walrus-fast').strip(' ,') or 'default'}", found)
        for outcome in results.outcomes
        for peer in outcome.runs
        if peer == "BackupEngine, 2 threads"
        for name in outcome.runs
        if is_ours(name)
        for found in [ratios(outcome, name, peer)]
    ]
    return bars("BackupEngine with two threads takes so many times as long (operation)", rows) if rows else ""


def _curve_plot(results: Results) -> str:
    lines: dict[str, list[tuple[int, float]]] = {}
    for outcome in results.outcomes:
        words = outcome.key.split("-")
        if words[0] != "files":
            continue
        for name, runs in outcome.runs.items():
            label = f"{words[2]}: {name.removeprefix('walrus-fast, ')}"
            taken = statistics.median(operation(run) for run in runs)
            lines.setdefault(label, []).append((int(words[1]), taken))
    lines = {name: sorted(line) for name, line in lines.items() if len(line) > 1}
    return curves("Seconds by number of files", lines) if lines else ""
