"""Where everything lies in a repository, and RocksDB's names for shared files (`backup_engine.cc`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.durable import make_folders
from walrus_fast.errors import (
    FileExists,
    FileMissing,
    NotPermitted,
    RepositoryForeign,
    RepositoryNotFound,
    RepositoryUnusable,
    StorageError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = [
    "OUR_FOLDER",
    "Layout",
    "foreign_names",
    "open_repository",
    "prepare_repository",
    "restored_name",
    "shared_blob_name",
    "shared_table_name",
]

OUR_FOLDER = ".walrus-fast"
_ROCKSDB_FOLDERS = frozenset({"meta", "private", "shared_checksum", "shared", "LATEST_BACKUP"})
_SHARED_NAME = re.compile(r"([0-9]{1,20})(?:_[A-Za-z0-9_]+)?\.(sst|blob|ldb)")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths inside the repository at `root`."""

    root: Path

    @property
    def meta(self) -> Path:
        """One file a backup, named by its id."""
        return self.root / "meta"

    @property
    def private(self) -> Path:
        """One folder a backup: what only it has."""
        return self.root / "private"

    @property
    def shared(self) -> Path:
        """Table and blob files of all backups."""
        return self.root / "shared_checksum"

    @property
    def shared_by_number(self) -> Path:
        """The same, of backups that RocksDB made without `share_files_with_checksum`; may be missing."""
        return self.root / "shared"

    @property
    def ours(self) -> Path:
        """What RocksDB does not know of and leaves alone."""
        return self.root / OUR_FOLDER

    @property
    def manifests(self) -> Path:
        """Our record of each backup."""
        return self.ours / "manifests"

    @property
    def staging(self) -> Path:
        """Folders of running writers; one that is there without a writer is a leftover."""
        return self.ours / "staging"

    @property
    def lock(self) -> Path:
        """Writers hold it exclusively, readers that need the files to stay hold it shared."""
        return self.ours / "lock"

    def meta_of(self, backup_id: int) -> Path:
        """`meta/<id>`: its presence is what makes a backup exist."""
        return self.meta / str(backup_id)

    def private_of(self, backup_id: int) -> Path:
        """`private/<id>/`"""
        return self.private / str(backup_id)

    def manifest_of(self, backup_id: int) -> Path:
        """`.walrus-fast/manifests/<id>`"""
        return self.manifests / str(backup_id)


def shared_table_name(number: int, session_id: str, crc32c: int, size: int) -> str:
    """RocksDB's default name; tables without a session id are named by their crc32c."""
    key = f"s{session_id}" if session_id else str(crc32c)
    return f"{number:06d}_{key}_{size}.sst"


def shared_blob_name(number: int, crc32c: int, size: int) -> str:
    """Blob files have no session id: the crc32c is in the name."""
    return f"{number:06d}_{crc32c}_{size}.blob"


def restored_name(path: str, backup_id: int) -> str | None:
    """The name in a database of a file of a backup, or None when the path is not one that this backup may hold.

    Accepts exactly `shared_checksum/<name>`, `shared/<name>` and `private/<its id>/<name>` with a plain name, so that
    no meta file, whoever wrote it, leads outside.
    """
    folder, _, rest = path.partition("/")
    if folder == "private":
        number, _, name = rest.partition("/")
        return name if number == str(backup_id) and _is_plain(name) else None
    if folder in ("shared_checksum", "shared") and (match := _SHARED_NAME.fullmatch(rest)):
        return ".".join(match.groups())
    return None


def _is_plain(name: str) -> bool:
    return _PLAIN_NAME.fullmatch(name) is not None and ".." not in name


def foreign_names(entries: set[str]) -> set[str]:
    """What makes a folder with these entries somebody else's; nothing in an empty folder or a repository."""
    return set() if entries & {"meta", OUR_FOLDER} else entries - _ROCKSDB_FOLDERS - {"lost+found"}


def prepare_repository(files: Files, root: Path) -> Layout:
    """Make the folders of a repository, or find them.

    Raises: RepositoryUnusable (a file, not writable), RepositoryForeign (other people's files).
    """
    layout = Layout(root)
    files.distrust(root)
    try:
        entries = {name for name, _ in files.list_directory(root)}
    except FileMissing as exc:
        if root.is_file() or root.is_symlink():
            raise RepositoryUnusable(f"{root} is not a folder", hint="Choose a folder for --path.") from exc
        entries = set()
    except StorageError as exc:
        raise RepositoryUnusable(exc.message, hint="Choose a folder for --path.") from exc
    if foreign := foreign_names(entries):
        raise RepositoryForeign(f"{root} holds files that are not a repository's: {', '.join(sorted(foreign)[:3])}")
    try:
        # A backup that is durable must not be lost with the folder it lies in. `staging` comes last: where it is, all
        # others have been made and synced, also when that run was killed.
        if not layout.staging.exists():
            make_folders(files, (layout.meta, layout.private, layout.shared, layout.manifests))
        for folder in (layout.meta, layout.private, layout.shared, layout.manifests, layout.staging):
            files.make_directories(folder)
    except (NotPermitted, FileMissing, FileExists) as exc:
        raise RepositoryUnusable(f"{root} cannot be a repository: {exc.message}", hint=exc.hint) from exc
    return layout


def open_repository(files: Files, root: Path) -> Layout:
    """Find a repository to read. What is in it may have been written by anybody: from here on
    `files` follows no link below it. Raises: RepositoryNotFound, RepositoryUnusable."""
    layout = Layout(root)
    files.distrust(root)
    try:
        files.list_directory(layout.meta)
    except FileMissing as exc:
        raise RepositoryNotFound(f"no repository at {root}: there is no folder meta in it") from exc
    except StorageError as exc:
        raise RepositoryUnusable(exc.message) from exc
    return layout
