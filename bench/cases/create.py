"""Making backups: the first one, one of an unchanged database, one of a database that changed by 1 %."""

from __future__ import annotations

from bench import ours
from bench.cases.stage import ENGINE1, ENGINE2, OURS, OURS_COPY, Aim, Cache, Stage
from bench.contest import Contender, Contest
from bench.peers.coreutils import copy_synced, copy_tree, link_tree

__all__ = ["changed", "first", "unchanged"]


def first(stage: Stage, cache: Cache) -> Contest:
    """Into an empty repository on the database's file system."""
    database, target, engine = stage.database, stage.target, stage.engine

    contenders = [
        Contender(OURS, lambda: ours.create(database, target), stage.clear, stage.check_our_backup, stage.clear),
        Contender(
            OURS_COPY,
            lambda: ours.create(database, target, "--transfer-mode", "copy"),
            stage.clear,
            stage.check_our_backup,
            stage.clear,
        ),
        Contender(
            ENGINE1, lambda: engine.backup(database, target, 1), stage.clear, stage.check_engine_backup, stage.clear
        ),
        Contender(
            ENGINE2, lambda: engine.backup(database, target, 2), stage.clear, stage.check_engine_backup, stage.clear
        ),
        Contender(
            "Checkpoint", lambda: engine.checkpoint(database, target), stage.clear, stage.check_names, stage.clear
        ),
        Contender("cp -al", lambda: link_tree(database, target), stage.clear, stage.check_names, stage.clear),
        Contender("cp -r", lambda: copy_tree(database, target), stage.clear, stage.check_names, stage.clear),
        Contender("cp -r; sync", lambda: copy_synced(database, target), stage.clear, stage.check_names, stage.clear),
    ]
    return Contest(
        key=f"first-{stage.name}-{cache}",
        title=f"First backup, {stage.name}",
        contenders=contenders,
        reads=[database],
        cache=cache,
        aims=[Aim(OURS, ENGINE2, 10)],
        note="Ours links and reads every byte for both checksums; 'copying' writes every byte as the engine does.",
    )


def unchanged(stage: Stage) -> Contest:
    """A second backup of the same database."""
    return _again(
        stage,
        key=f"unchanged-{stage.name}",
        title=f"Backup of an unchanged database, {stage.name}",
        aims=[],
        cache=Cache.WARM,
    )


def changed(stage: Stage, cache: Cache) -> Contest:
    """A second backup after 1 % was rewritten; `stage.database` is the changed one, the bases are older."""
    return _again(
        stage,
        key=f"changed-{stage.name}-{cache}",
        title=f"Backup after a change of 1 %, {stage.name}",
        aims=[Aim(OURS, ENGINE2, 25)],
        cache=cache,
    )


def _again(stage: Stage, *, key: str, title: str, aims: list[Aim], cache: Cache) -> Contest:
    database, target, engine = stage.database, stage.target, stage.engine

    def prepare_engine() -> None:
        stage.from_base(stage.engine_base)

    contenders = [
        Contender(
            OURS,
            lambda: ours.create(database, target),
            lambda: stage.from_base(stage.our_base),
            stage.check_our_backup,
            stage.clear,
        ),
        Contender(
            ENGINE1, lambda: engine.backup(database, target, 1), prepare_engine, stage.check_engine_backup, stage.clear
        ),
        Contender(
            ENGINE2, lambda: engine.backup(database, target, 2), prepare_engine, stage.check_engine_backup, stage.clear
        ),
    ]
    return Contest(key=key, title=title, contenders=contenders, reads=[database], cache=cache, aims=aims)
