"""What every command pays before it begins."""

from __future__ import annotations

import sys

from bench import ours
from bench.cases.stage import OURS, Aim
from bench.contest import Contender, Contest
from bench.measure import run_command

__all__ = ["start"]


def start() -> Contest:
    """`walrus-node --help`, beside the interpreter alone."""
    return Contest(
        key="start",
        title="Start of the command line (`walrus-node --help`)",
        contenders=[
            Contender(OURS, ours.help_text),
            Contender("python -c pass", lambda: run_command([sys.executable, "-c", "pass"])),
            Contender("python -I -S -c pass", lambda: run_command([sys.executable, "-I", "-S", "-c", "pass"])),
        ],
        aims=[Aim(OURS, limit=0.15, basis="process")],
    )
