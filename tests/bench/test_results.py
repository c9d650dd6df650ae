"""Figures of two machines are refused, those of one are merged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bench.compare import comparison
from bench.contest import Aim, Outcome
from bench.figures import judge, ratios
from bench.machine import SourceState, this_machine
from bench.measure import Cache, Run
from bench.report import write_report
from bench.results import DifferentMachines, Results, load, merge, store

if TYPE_CHECKING:
    from pathlib import Path


def results(folder: Path, measured: str, ours: list[float], *, identity: str = "") -> Results:
    machine = this_machine(folder)
    if identity:
        machine = replace(machine, identity=identity)
    runs = {
        "walrus-fast": [Run(wall, wall / 2, 1024) for wall in ours],
        "BackupEngine, 2 threads": [Run(20.0, 10.0, 1024) for _ in ours],
    }
    aims = [Aim("walrus-fast", "BackupEngine, 2 threads", 10)]
    outcome = Outcome("first-tables-warm", "First backup", Cache.WARM, aims, "", runs)
    return Results(measured, machine, SourceState("0" * 40, False), {"rounds": len(ours)}, [outcome])


def test_results_of_two_machines_are_refused(tmp_path: Path) -> None:
    here = results(tmp_path, "2026-01-01T00:00:00Z", [1.0])
    there = results(tmp_path, "2026-01-02T00:00:00Z", [1.0], identity="another")
    with pytest.raises(DifferentMachines):
        merge([here, there])
    with pytest.raises(DifferentMachines):
        comparison(here, there)


def test_of_a_contest_held_twice_the_later_counts(tmp_path: Path) -> None:
    old = results(tmp_path, "2026-01-01T00:00:00Z", [4.0])
    new = results(tmp_path, "2026-01-02T00:00:00Z", [1.0])
    assert merge([new, old]).outcomes == new.outcomes
    assert "4.00" in comparison(old, new)


def test_a_ratio_is_the_median_of_the_rounds(tmp_path: Path) -> None:
    outcome = results(tmp_path, "2026-01-01T00:00:00Z", [1.0, 2.0, 10.0]).outcomes[0]
    assert ratios(outcome, "walrus-fast", "BackupEngine, 2 threads").median == 10.0
    assert judge(outcome, outcome.aims[0]).reached


def test_what_was_stored_is_read_again_and_shown(tmp_path: Path) -> None:
    made = results(tmp_path, "2026-01-01T00:00:00Z", [1.0, 2.0])
    assert load(store(made, tmp_path)) == made
    write_report(made, tmp_path / "docs" / "benchmarks.md")
    assert "BackupEngine, 2 threads" in (tmp_path / "docs" / "benchmarks.md").read_text()
    assert (tmp_path / "docs" / "benchmarks-ratios.svg").read_text().startswith("<svg")
