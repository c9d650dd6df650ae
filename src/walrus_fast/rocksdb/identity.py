"""Which table file is this: the session that wrote it, as RocksDB's BackupEngine names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast import _native
from walrus_fast.errors import DatabaseDamaged, storage_error

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_session_ids"]


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
