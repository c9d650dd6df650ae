"""Bringing a backup back into a folder that is not there yet."""

from __future__ import annotations

from bench import ours
from bench.cases.stage import ENGINE1, ENGINE2, OURS_COPY, Aim, Cache, Stage
from bench.contest import Contender, Contest
from bench.peers.coreutils import copy_synced, copy_tree

__all__ = ["restore"]

_LINK = "walrus-fast, linking"


def restore(stage: Stage) -> Contest:
    """All but plain `cp -r` make it durable; ours also compares crc32c and xxh3 of every byte, in both modes."""
    target, engine = stage.target, stage.engine

    def contender_of_engine(name: str, threads: int) -> Contender:
        return Contender(
            name,
            lambda: engine.restore(stage.engine_base, target, threads),
            stage.clear,
            stage.check_contents,
            stage.clear,
        )

    contenders = [
        Contender(
            _LINK,
            lambda: ours.restore(stage.our_base, target, "hardlink"),
            stage.clear,
            stage.check_contents,
            stage.clear,
        ),
        Contender(
            OURS_COPY,
            lambda: ours.restore(stage.our_base, target, "copy"),
            stage.clear,
            stage.check_contents,
            stage.clear,
        ),
        contender_of_engine(ENGINE1, 1),
        contender_of_engine(ENGINE2, 2),
        Contender(
            "cp -r",
            lambda: copy_tree(stage.our_base / "shared_checksum", target),
            stage.clear,
            clean=stage.clear,
        ),
        Contender(
            "cp -r; sync",
            lambda: copy_synced(stage.our_base / "shared_checksum", target),
            stage.clear,
            clean=stage.clear,
        ),
    ]
    return Contest(
        key=f"restore-{stage.name}",
        title=f"Restore, {stage.name}",
        contenders=contenders,
        reads=[stage.our_base, stage.engine_base],
        cache=Cache.WARM,
        aims=[Aim(_LINK, ENGINE2, 10), Aim(OURS_COPY, ENGINE2, 3)],
    )
