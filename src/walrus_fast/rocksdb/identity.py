"""Which table file is this, and which database: the ids that RocksDB gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast import _native
from walrus_fast.errors import DatabaseDamaged, StorageError, storage_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["read_database_id", "read_session_ids"]


def read_session_ids(directory: int, names: Sequence[str]) -> list[str]:
    """The session id of each table file, "" where it has none.

    Reads the last kilobytes of each file: footer, metaindex, properties.
    Raises: DatabaseDamaged naming the first file that is no table file, StorageError.
    """
    sessions = []
    for name, (status, session, _, _) in zip(names, _native.table_identities(directory, names), strict=True):
        if status > 0:
            raise storage_error(status, "read", name)
        if status < 0:
            raise DatabaseDamaged(f"{name.rsplit('/', 1)[-1]} is not a readable table file")
        sessions.append(session)
    return sessions


def read_database_id(files: Files, database: Path) -> str:
    """The id in a database's IDENTITY file, "" where there is none.

    RocksDB before 9.0 writes the id into the MANIFEST only when told to (`write_dbid_to_manifest`).
    """
    try:
        contents = files.read_bytes(database / "IDENTITY", limit=1 << 12)
    except StorageError:
        return ""  # not every database has the file, and nothing but a guard depends on it
    return contents.decode("ascii", "replace").strip()
