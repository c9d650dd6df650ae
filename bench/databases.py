"""The databases of the benchmark, the same in every run: seeded, incompressible, without background work."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workload.shapes import blobs, tables, touch

if TYPE_CHECKING:
    from pathlib import Path

    from bench.peers.engine import Engine

__all__ = ["Workspace", "build_blobs", "build_files", "build_tables", "change", "data_files", "remove"]

_FORMAT = 5  # of table files: the newest that RocksDB 7.8, the peer, can open
_CHANGE = 0.01


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder in which everything is built, and removed again."""

    root: Path

    def __truediv__(self, name: str) -> Path:
        return self.root / name


def build_tables(folder: Path, size: int) -> None:
    """`size` bytes in table files of 64 MiB, RocksDB's default size."""
    tables(folder, size, file_size=64 << 20, format_version=_FORMAT)


def build_blobs(folder: Path, size: int) -> None:
    """`size` bytes in blob files of 256 MiB: the shape of a Walrus storage node."""
    blobs(folder, size, blob_file_size=256 << 20, value_size=256 << 10, format_version=_FORMAT)


def build_files(engine: Engine, folder: Path, count: int) -> None:
    """`count` table files of about a kilobyte."""
    engine.fill(folder, count)


def change(folder: Path) -> None:
    """Rewrite 1 % of the values: a few new files, the others stay."""
    touch(folder, _CHANGE)


def data_files(folder: Path) -> dict[str, int]:
    """Name and size of every table and blob file."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.suffix in (".sst", ".blob")}


def remove(*folders: Path) -> None:
    """Remove folders that may not be there."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
