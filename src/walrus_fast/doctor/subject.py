"""What the doctor looks at: the database, the repository, the socket; read once for all checks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from walrus_fast.repository.layout import Layout
from walrus_fast.rocksdb.manifest import LiveSet, ManifestReader
from walrus_fast.rocksdb.options import DatabaseOptions, newest_options, option_sections

if TYPE_CHECKING:
    from walrus_fast.files import Files

__all__ = ["Places", "Subject", "nearest_folder"]


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are, as the operator says; None where that is not said."""

    database: Path | None = None
    repository: Path | None = None
    socket: Path | None = None
    wal_dir: Path | None = None
    data_dirs: tuple[Path, ...] = ()
    pin_dir: Path | None = None


class Subject:
    """The places, and what is read of them when a check first asks. Properties raise what reading raises."""

    def __init__(self, files: Files, places: Places, *, now: float) -> None:
        self.files = files
        self.places = places
        self.now = now

    @property
    def database(self) -> Path | None:
        """The database's folder."""
        return self.places.database

    @property
    def repository(self) -> Path | None:
        """The repository's folder, which may not be there yet."""
        return self.places.repository

    @property
    def has_database(self) -> bool:
        """Whether a database is there. Raises: StorageError when that cannot be seen."""
        return self.database is not None and "CURRENT" in self.names_in(self.database)

    @property
    def repository_is_writable(self) -> bool:
        """Whether this user may write the repository, or make it."""
        return self.repository is not None and os.access(nearest_folder(self.repository), os.W_OK | os.X_OK)

    @property
    def has_repository(self) -> bool:
        """Whether a repository is there. Raises: StorageError when that cannot be seen."""
        return self.repository is not None and "meta" in self.names_in(self.repository)

    def names_in(self, folder: Path) -> set[str]:
        """What lies in a folder; nothing where there is none. Raises: StorageError."""
        return {name for name, _ in self.files.list_directory(folder)} if folder.is_dir() else set()

    @cached_property
    def layout(self) -> Layout:
        """Of the repository."""
        assert self.repository is not None
        return Layout(self.repository)

    @cached_property
    def options(self) -> DatabaseOptions:
        """The newest OPTIONS file of the database. Raises: StorageError."""
        assert self.database is not None
        return newest_options(self.files, self.database)

    @cached_property
    def sections(self) -> dict[str, dict[str, str]]:
        """What it says. Raises: StorageError."""
        return option_sections(self.options.contents)

    @cached_property
    def live(self) -> LiveSet:
        """What the MANIFEST names. Raises: DatabaseError, StorageError."""
        assert self.database is not None
        with ManifestReader(self.files, self.database) as reader:
            reader.refresh()
            return reader.live_set()

    @cached_property
    def wal_dir(self) -> Path:
        """Where the database keeps its WALs, as the operator or else its OPTIONS say."""
        assert self.database is not None
        given = self.places.wal_dir or (Path(self.options.wal_dir) if self.options.wal_dir else self.database)
        return given if given.is_absolute() else self.database / given

    @property
    def example(self) -> Path | None:
        """The smallest table or blob file there is, to try links and clones with. Raises: as `live`."""
        assert self.database is not None
        for live in sorted(self.live.files, key=lambda file: file.size):
            for folder in self.places.data_dirs or (self.database,):
                if (folder / live.name).is_file():
                    return folder / live.name
        return None


def nearest_folder(path: Path) -> Path:
    """The folder itself, or the nearest one above that is there."""
    return next(parent for parent in (path, *path.parents) if parent.is_dir())
