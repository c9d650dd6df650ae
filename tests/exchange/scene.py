"""A database, a backup of an earlier state of it, and what each looks like on disk."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.operations.restore.restore import RestoreRequest, restore_backup
from walrus_fast.rocksdb.names import is_rocksdb_file
from walrus_fast.snapshot.model import SnapshotRequest
from workload.driver import running_writer

if TYPE_CHECKING:
    from pathlib import Path

State = dict[str, bytes]
SEED = 4


def state_of(folder: Path) -> State:
    """Every RocksDB file of a folder with its contents; LOCK and info logs are not part of a database's state."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file() and is_rocksdb_file(path.name) and not path.name.startswith(("LOCK", "LOG", "IDENTITY"))
    }


@dataclass(frozen=True)
class Scene:
    """`old` is the database's present state, `new` that of the backup. `wals_*`: with WALs in a folder of their own."""

    folder: Path
    old: State
    new: State

    @property
    def database(self) -> Path:
        return self.folder / "db"

    @property
    def wal_dir(self) -> Path:
        return self.folder / "wals"

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    def request(
        self, *, separate_wals: bool = False, mode: TransferMode = TransferMode.AUTO, open_first: bool = True
    ) -> RestoreRequest:
        wal_dir = self.wal_dir if separate_wals else None
        return RestoreRequest(self.repository, self.database, wal_dir=wal_dir, mode=mode, open_first=open_first)


def build_scene(folder: Path) -> Scene:
    """Make the database and the backup; `folder` must be there."""
    scene = Scene(folder, {}, {})
    with running_writer(scene.database, seed=SEED, steps=300, value_scale=0.05, memtable_size=64 << 10) as writer:
        writer.wait()
    create_backup(Files(), CreateRequest(SnapshotRequest(scene.database), scene.repository, mode=TransferMode.COPY))
    with running_writer(
        scene.database, seed=SEED, steps=900, value_scale=0.05, memtable_size=64 << 10, resume=True
    ) as writer:
        writer.wait()
    (scene.database / "operators-notes.txt").write_text("not RocksDB's")
    (scene.database / "foreign").mkdir()
    (scene.database / "foreign" / "file").write_text("nor this")
    clean = folder / "clean"
    restore_backup(Files(), RestoreRequest(scene.repository, clean))
    new = state_of(clean)
    shutil.rmtree(clean)
    return Scene(folder, state_of(scene.database), new)


def copy_scene(original: Scene, folder: Path, *, separate_wals: bool = False) -> Scene:
    """A fresh copy; with separate WALs, the present ones are moved to a folder of their own."""
    folder.mkdir()
    subprocess.run(["cp", "-a", str(original.database), str(original.repository), str(folder)], check=True)
    scene = Scene(folder, original.old, original.new)
    if separate_wals:
        scene.wal_dir.mkdir()
        for path in scene.database.glob("*.log"):
            path.rename(scene.wal_dir / path.name)
    return scene
