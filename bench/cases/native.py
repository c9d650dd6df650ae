"""The functions of the C part, each beside its twin in Python: what does not pay is to go."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from bench.contest import Contender, Contest
from bench.measure import Run, run_command
from bench.peers.native import CASES
from bench.peers.native import prepare as prepare_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["contests", "prepare"]


def prepare(work: Path) -> None:
    """Write what the contests read."""
    prepare_files(str(work))


def contests(work: Path) -> Iterator[Contest]:
    """One for each function. `operation` is the function alone."""

    def act(case: str, which: str) -> Run:
        return run_command([sys.executable, "-m", "bench.peers.native", case, which, str(work)], parse=True)

    for case, (title, _, _) in CASES.items():
        yield Contest(
            key=f"native-{case}",
            title=title,
            contenders=[
                Contender("walrus-fast, C", partial(act, case, "native")),
                Contender("its twin in Python", partial(act, case, "twin")),
            ],
        )
