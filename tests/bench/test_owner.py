"""db_bench's figures are understood, and shown relative to the owner alone."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from bench.contest import Outcome
from bench.measure import Cache, CommandFailed, Run
from bench.owner_table import is_owner_contest, owner_table
from bench.peers.db_bench import build, owner_figures, start_owner

if TYPE_CHECKING:
    from pathlib import Path


def outcome(**figures: list[tuple[float, float]]) -> Outcome:
    """Reads a second and backups of each contender, round by round."""
    runs = {
        name: [
            Run(1.0, None, 0, {"reads_per_second": speed, "read_p99": 5.0, "write_p99": 50.0, "backups": backups})
            for speed, backups in rounds
        ]
        for name, rounds in figures.items()
    }
    return Outcome("owner", "What the owner feels", Cache.WARM, [], "", runs)


def test_figures_are_shown_beside_the_owner_alone() -> None:
    shown = outcome(nothing=[(1000, 0), (2000, 0), (4000, 0)], ours=[(500, 1), (1000, 2), (3000, 3)])
    assert is_owner_contest(shown)
    _, _, alone, beside = owner_table(shown)
    assert alone == "| nothing | 2000 | 5 | 50 | 0 |"
    assert beside == (
        "| ours | 1000 (0.50 x, 0.50 to 0.75) | 5 (1.00 x, 1.00 to 1.00) | 50 (1.00 x, 1.00 to 1.00) | 2 |"
    )


def test_what_db_bench_says_is_understood(tmp_path: Path) -> None:
    if shutil.which("db_bench") is None:
        pytest.skip("db_bench is not installed (tests/packages.sh names its package)")
    build(tmp_path / "db", 2_000_000)
    owner = start_owner(tmp_path / "db", 2_000_000, 1, tmp_path / "said", None)
    assert owner.wait(60) == 0
    figures = owner_figures(tmp_path / "said")
    assert set(figures) == {"reads_per_second", "read_p99", "writes", "write_p99", "write_worst"}
    assert all(isinstance(figure, float) and figure > 0 for figure in figures.values())
    (tmp_path / "said").write_text("Segmentation fault\n")
    with pytest.raises(CommandFailed, match="Segmentation fault"):
        owner_figures(tmp_path / "said")
