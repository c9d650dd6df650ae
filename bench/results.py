"""Result files: what was measured, where, of which commit. Only results of one machine are read together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bench.contest import Outcome  # noqa: TC001  (msgspec resolves it at run time)
from bench.machine import Machine, SourceState  # noqa: TC001

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DifferentMachines", "Results", "load", "merge", "store"]


class DifferentMachines(Exception):
    """Figures of two machines say nothing about each other."""


class Results(msgspec.Struct, frozen=True):
    """One run of the suite. `measured` is UTC; `parts` says of merged results what each run was."""

    measured: str
    machine: Machine
    source: SourceState
    settings: dict[str, int | float | str]
    outcomes: list[Outcome]
    parts: tuple[str, ...] = ()
    version: int = 1


def store(results: Results, folder: Path) -> Path:
    """Write the one file of this run, named by its time and commit; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = results.measured.replace("-", "").replace(":", "")
    path = folder / f"{stamp}-{results.source.commit[:10] or 'unknown'}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    return path


def load(path: Path) -> Results:
    """Raises: msgspec.ValidationError for another format."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def merge(results: list[Results]) -> Results:
    """One set of outcomes from several runs on one machine; of a contest that was held twice, the later.

    Raises: DifferentMachines.
    """
    results = sorted(results, key=lambda one: one.measured)
    machines = {(one.machine.identity, one.machine.kernel) for one in results}
    if len(machines) > 1:
        raise DifferentMachines(f"results of {len(machines)} machines are not put side by side")
    latest = {outcome.key: one for one in results for outcome in one.outcomes}
    kept = [(one, [outcome for outcome in one.outcomes if latest[outcome.key] is one]) for one in results]
    return msgspec.structs.replace(
        results[-1],
        outcomes=[outcome for _, outcomes in kept for outcome in outcomes],
        parts=tuple(_described(one, outcomes) for one, outcomes in kept if outcomes),
    )


def _described(one: Results, outcomes: list[Outcome]) -> str:
    changed = " with changes in src/ or native/" if one.source.changed else ""
    settings = ", ".join(f"{name} {value}" for name, value in one.settings.items())
    contests = ", ".join(outcome.key for outcome in outcomes)
    return f"{one.measured}, commit `{one.source.commit[:12]}`{changed}, {settings}: {contests}"
