"""Backups that have to copy: the repository is on another file system than the database."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench import ours
from bench.cases.stage import ENGINE2, OURS, Aim, Cache, Stage
from bench.contest import Contender, Contest
from bench.databases import Workspace, remove
from bench.measure import can_drop_caches
from bench.peers.coreutils import copy_synced, copy_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["copies", "other_file_systems"]

_UNSYNCED = "walrus-fast --no-sync"


@contextmanager
def other_file_systems(work: Workspace, size: int) -> Iterator[dict[str, Path]]:
    """Folders on file systems of their own: memory (no disk in the way), and XFS in a file of the same disk."""
    memory = Path("/dev/shm/walrus-fast-bench")
    image, mounted = work / "xfs.image", work / "xfs"
    found: dict[str, Path] = {}
    try:
        remove(memory)
        memory.mkdir()
        found["tmpfs"] = memory
        if can_drop_caches() and _mount_xfs(image, mounted, size):
            found["XFS on a loop device"] = mounted
        yield found
    finally:
        remove(memory)
        if "XFS on a loop device" in found:
            subprocess.run(["umount", mounted], check=True)
        image.unlink(missing_ok=True)


def _mount_xfs(image: Path, mounted: Path, size: int) -> bool:
    mounted.mkdir(exist_ok=True)
    with image.open("wb") as file:
        file.truncate(size)
    for command in (["mkfs.xfs", "-q", "-f", str(image)], ["mount", "-o", "loop", str(image), str(mounted)]):
        try:
            if subprocess.run(command, check=False, capture_output=True).returncode:
                return False
        except FileNotFoundError:
            return False
    return True


def copies(stage: Stage, place: str, folder: Path) -> Contest:
    """A first backup into `folder`; durable against durable, not durable against not durable."""
    away = Stage(stage.name, stage.database, Workspace(folder), stage.engine)
    database, target = away.database, away.target

    def contender(name: str, *options: str) -> Contender:
        return Contender(
            name,
            lambda: ours.create(database, target, *options),
            away.clear,
            away.check_our_backup,
            away.clear,
        )

    return Contest(
        key=f"other-{stage.name}-{place.split(maxsplit=1)[0].lower()}",
        title=f"First backup to another file system ({place}), {stage.name}",
        contenders=[
            contender(OURS),
            contender(_UNSYNCED, "--no-sync"),
            Contender(
                ENGINE2,
                lambda: stage.engine.backup(database, target, 2),
                away.clear,
                away.check_engine_backup,
                away.clear,
            ),
            Contender("cp -r", lambda: copy_tree(database, target), away.clear, away.check_names, away.clear),
            Contender("cp -r; sync", lambda: copy_synced(database, target), away.clear, away.check_names, away.clear),
        ],
        reads=[database],
        cache=Cache.WARM,
        aims=[Aim(OURS, "cp -r; sync", 0.9), Aim(_UNSYNCED, "cp -r", 0.9)],
    )
