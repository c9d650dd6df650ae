"""Databases of very many files: what a file costs when its bytes cost nothing."""

from __future__ import annotations

from bench import ours
from bench.cases.stage import ENGINE2, OURS, Aim, Cache, Run, Stage, timed_as
from bench.contest import Contender, Contest
from bench.peers.coreutils import link_tree

__all__ = ["backup", "listing", "pinning", "restoring", "unchanged", "verifying"]


def backup(stage: Stage, files: int, *, with_engine: bool) -> Contest:
    """The first backup."""
    database, target, engine = stage.database, stage.target, stage.engine
    contenders = [
        Contender(OURS, lambda: ours.create(database, target), stage.clear, stage.check_our_backup, stage.clear),
        Contender("cp -al", lambda: link_tree(database, target), stage.clear, stage.check_names, stage.clear),
        Contender(
            "Checkpoint", lambda: engine.checkpoint(database, target), stage.clear, stage.check_names, stage.clear
        ),
    ]
    if with_engine:
        contenders.append(
            Contender(
                ENGINE2,
                lambda: engine.backup(database, target, 2),
                stage.clear,
                stage.check_engine_backup,
                stage.clear,
            )
        )
    return Contest(
        key=f"files-{files}-first",
        title=f"First backup, {files:,} files",
        contenders=contenders,
        reads=[database],
        aims=[Aim(OURS, ENGINE2, 10)] if with_engine else [],
    )


def pinning(stage: Stage, files: int) -> Contest:
    """How long it takes until the database may delete its files; the rest of the backup is done at leisure."""

    def act() -> Run:
        return timed_as(ours.create(stage.database, stage.target, "--no-sync"), "pin_seconds")

    limit = [Aim("walrus-fast, pinning", limit=0.025)] if files == 1000 else []
    return Contest(
        key=f"files-{files}-pin",
        title=f"Pinning {files:,} files",
        contenders=[
            Contender("walrus-fast, pinning", act, stage.clear, clean=stage.clear),
            Contender("cp -al", lambda: link_tree(stage.database, stage.target), stage.clear, clean=stage.clear),
        ],
        reads=[],
        aims=[*limit, Aim("walrus-fast, pinning", "cp -al", 1 / 1.3)],
        note="Ours is `pin_seconds`: replay of the MANIFEST, a stat and a hard link for each file, and the WALs.",
    )


def unchanged(stage: Stage, files: int, *, with_engine: bool) -> Contest:
    """A second backup of the same files."""
    contenders = [
        Contender(
            OURS,
            lambda: ours.create(stage.database, stage.target),
            lambda: stage.from_base(stage.our_base),
            stage.check_our_backup,
            stage.clear,
        )
    ]
    if with_engine:
        contenders.append(
            Contender(
                ENGINE2,
                lambda: stage.engine.backup(stage.database, stage.target, 2),
                lambda: stage.from_base(stage.engine_base),
                stage.check_engine_backup,
                stage.clear,
            )
        )
    return Contest(
        key=f"files-{files}-unchanged",
        title=f"Backup of an unchanged database, {files:,} files",
        contenders=contenders,
        reads=[],
        cache=Cache.WARM,
        aims=[Aim(OURS, limit=files * 10e-6)] if files >= 10_000 else [],
    )


def verifying(stage: Stage, files: int, *, with_engine: bool) -> Contest:
    """`checkpoint verify`: every file is opened, read and hashed."""
    contenders = [Contender(OURS, lambda: ours.verify(stage.our_base))]
    if with_engine:
        contenders.append(Contender(ENGINE2, lambda: stage.engine.verify(stage.engine_base, 2)))
    return Contest(
        key=f"files-{files}-verify",
        title=f"Verify a backup of {files:,} files",
        contenders=contenders,
        reads=[stage.our_base, *([stage.engine_base] if with_engine else [])],
    )


def restoring(stage: Stage, files: int, *, with_engine: bool) -> Contest:
    """`restore` by hard link: every file is linked, read, compared, and synced."""
    contenders = [
        Contender(
            "walrus-fast, linking",
            lambda: ours.restore(stage.our_base, stage.target, "hardlink"),
            stage.clear,
            stage.check_names,
            stage.clear,
        )
    ]
    if with_engine:
        contenders.append(
            Contender(
                ENGINE2,
                lambda: stage.engine.restore(stage.engine_base, stage.target, 2),
                stage.clear,
                stage.check_names,
                stage.clear,
            )
        )
    return Contest(
        key=f"files-{files}-restore",
        title=f"Restore {files:,} files",
        contenders=contenders,
        reads=[stage.our_base, *([stage.engine_base] if with_engine else [])],
    )


def listing(stage: Stage, files: int) -> Contest:
    """`checkpoint list` of a repository with one backup: every size is looked at."""
    return Contest(
        key=f"files-{files}-list",
        title=f"List a backup of {files:,} files",
        contenders=[Contender(OURS, lambda: ours.list_backups(stage.our_base))],
        reads=[],
    )
