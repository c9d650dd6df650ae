"""What we need to know from a database's newest OPTIONS file (an INI dialect, `options/options_parser.cc`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.errors import FileMissing
from walrus_fast.rocksdb.names import FileKind, classify

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["DatabaseOptions", "newest_options", "option_sections", "parse_options", "table_formats"]

_ESCAPE = re.compile(r"\\(.)")
_FAMILY_SECTION = re.compile(r'\[CFOptions "(.*)"\]')
_ESCAPED = {"n": "\n", "r": "\r"}
_ATTEMPTS = 5  # RocksDB replaces the OPTIONS file now and then; each replacement takes one more look


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """`name` and `contents` of the OPTIONS file, and the values that decide how a snapshot is taken.

    A database without an OPTIONS file (RocksDB before 4.3, or one that failed to write it) has name "" and
    is treated with the most careful values: its WALs are copied, never linked.
    """

    name: str
    contents: bytes
    wal_dir: str
    recycles_wals: bool
    rocksdb_version: str


def parse_options(name: str, contents: bytes) -> DatabaseOptions:
    """Read the [Version] and [DBOptions] sections; unknown keys and broken lines are not ours to judge."""
    section = ""
    values: dict[tuple[str, str], str] = {}
    for raw in contents.decode("utf-8", "replace").splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].split(" ", 1)[0]
        elif "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            values[section, key.strip()] = _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[1]), value.strip())
    recycle = values.get(("DBOptions", "recycle_log_file_num"), "")
    return DatabaseOptions(
        name=name,
        contents=contents,
        wal_dir=values.get(("DBOptions", "wal_dir"), ""),
        recycles_wals=recycle != "0",
        rocksdb_version=values.get(("Version", "rocksdb_version"), ""),
    )


def option_sections(contents: bytes) -> dict[str, dict[str, str]]:
    """Every value by section, as written: `DBOptions`, `CFOptions "name"`, `TableOptions/BlockBasedTable "name"`."""
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for raw in contents.decode("utf-8", "replace").splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = found.setdefault(line[1:-1], {})
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section[key.strip()] = value.strip()
    return found


def newest_options(files: Files, database: Path) -> DatabaseOptions:
    """The OPTIONS file with the highest number. Raises StorageError when the directory cannot be read."""
    for _ in range(_ATTEMPTS):
        numbered = [
            (number, name)
            for name in files.list_names(database, prefix="OPTIONS-")
            if (number := _options_number(name)) is not None
        ]
        if not numbered:
            break
        name = max(numbered)[1]
        try:
            return parse_options(name, files.read_bytes(database / name, limit=64 << 20))
        except FileMissing:
            continue  # replaced by a newer one between the listing and the open
    return parse_options("", b"")


def _options_number(name: str) -> int | None:
    kind, number = classify(name)
    return number if kind is FileKind.OPTIONS else None


def table_formats(files: Files, database: Path) -> dict[str, str]:
    """The table factory of each column family that the newest OPTIONS file names; {} without such a file.

    Raises: StorageError when the directory cannot be read.
    """
    found: dict[str, str] = {}
    family = None
    for raw in newest_options(files, database).contents.decode("utf-8", "replace").splitlines():
        line = raw.strip()
        if line.startswith("["):
            match = _FAMILY_SECTION.fullmatch(line)
            family = match[1] if match else None
        elif family is not None and line.startswith("table_factory="):
            found[family] = line.partition("=")[2].strip()
    return found
