"""File names inside a database directory (RocksDB `file/filename.cc`)."""

from __future__ import annotations

import re
from enum import StrEnum

__all__ = ["FileKind", "blob_name", "classify", "is_rocksdb_file", "manifest_name", "table_name", "wal_name"]


class FileKind(StrEnum):
    """What a file in a database directory is."""

    TABLE = "table"
    BLOB = "blob"
    WAL = "wal"
    MANIFEST = "manifest"
    OPTIONS = "options"
    CURRENT = "current"
    IDENTITY = "identity"
    LOCK = "lock"
    INFO_LOG = "info_log"
    TEMPORARY = "temporary"
    FOREIGN = "foreign"


_NUMBERED = {"sst": FileKind.TABLE, "ldb": FileKind.TABLE, "blob": FileKind.BLOB, "log": FileKind.WAL}
_PLAIN = {"CURRENT": FileKind.CURRENT, "IDENTITY": FileKind.IDENTITY, "LOCK": FileKind.LOCK}
_NUMBERED_NAME = re.compile(r"([0-9]{1,20})\.(sst|ldb|blob|log)")
_PREFIXED_NAME = re.compile(r"(MANIFEST|OPTIONS)-([0-9]{1,20})")
_LARGEST = (1 << 64) - 1
_INFO_LOG = re.compile(r"LOG(\.old\.[0-9]+)?")


def classify(name: str) -> tuple[FileKind, int]:
    """The kind of a file and its number (0 where the kind has none). Numbers have 64 bits, as in RocksDB."""
    if (match := _NUMBERED_NAME.fullmatch(name)) and int(match[1]) <= _LARGEST:
        return _NUMBERED[match[2]], int(match[1])
    if (match := _PREFIXED_NAME.fullmatch(name)) and int(match[2]) <= _LARGEST:
        return (FileKind.MANIFEST if match[1] == "MANIFEST" else FileKind.OPTIONS), int(match[2])
    if name in _PLAIN:
        return _PLAIN[name], 0
    if _INFO_LOG.fullmatch(name):
        return FileKind.INFO_LOG, 0
    if name.endswith(".dbtmp") or name == "archive":
        return FileKind.TEMPORARY, 0
    return FileKind.FOREIGN, 0


def is_rocksdb_file(name: str) -> bool:
    """Whether RocksDB made the entry and would know what to do with it."""
    return classify(name)[0] is not FileKind.FOREIGN


def table_name(number: int) -> str:
    """`000123.sst`"""
    return f"{number:06d}.sst"


def blob_name(number: int) -> str:
    """`000123.blob`"""
    return f"{number:06d}.blob"


def wal_name(number: int) -> str:
    """`000123.log`"""
    return f"{number:06d}.log"


def manifest_name(number: int) -> str:
    """`MANIFEST-000123`"""
    return f"MANIFEST-{number:06d}"
