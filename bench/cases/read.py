"""Verifying backups, beside what the machine can read and hash."""

from __future__ import annotations

import sys

from bench import ours
from bench.cases.stage import ENGINE1, ENGINE2, OURS, Aim, Cache, Stage
from bench.contest import Contender, Contest
from bench.measure import Run, run_command
from bench.peers.coreutils import cat

__all__ = ["verify"]

_LIMIT = "2 processes, read and hash"


def verify(stage: Stage, cache: Cache) -> Contest:
    """Every byte of one backup. A damaged one would end the run, so there is nothing more to check."""

    def limit() -> Run:
        return run_command(
            [sys.executable, "-m", "bench.peers.hash_limit", str(stage.our_base / "shared_checksum")], parse=True
        )

    contenders = [
        Contender(OURS, lambda: ours.verify(stage.our_base)),
        Contender(ENGINE1, lambda: stage.engine.verify(stage.engine_base, 1)),
        Contender(ENGINE2, lambda: stage.engine.verify(stage.engine_base, 2)),
        Contender("cat > /dev/null", lambda: cat(stage.our_base / "shared_checksum")),
        Contender(_LIMIT, limit),
    ]
    return Contest(
        key=f"verify-{stage.name}-{cache}",
        title=f"Verify a backup, {stage.name}",
        contenders=contenders,
        reads=[stage.our_base, stage.engine_base],
        cache=cache,
        aims=[Aim(OURS, ENGINE2, 5), Aim(OURS, _LIMIT, 0.7)],
    )
