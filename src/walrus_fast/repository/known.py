"""Which database files the repository already has, told from their stat alone, or from their names.

`HeldFiles` answers for a file that has not been touched since a backup of ours stored it: no byte is read.
`find_by_name` answers for table files whose name (number, session id, size) another backup uses: RocksDB's own
rule, and the way a database that was moved or restored finds its files again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.methods import Method
from walrus_fast.repository.catalog import backup_ids, load_backup, newest_manifest
from walrus_fast.repository.manifest import StoredFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from walrus_fast.files import Files, FileStat
    from walrus_fast.repository.layout import Layout

__all__ = ["HeldFiles", "find_by_name"]

_SHARED = "shared_checksum/"


class HeldFiles:
    """The shared files of the newest backup of ours, by name in the database, as far as they are sound in size.

    `durable` are the paths of those that a sync has made so; of others it is not known.
    """

    def __init__(self, files: Files, layout: Layout) -> None:
        self._by_name: dict[str, StoredFile] = {}
        self.durable: frozenset[str] = frozenset()
        manifest = newest_manifest(files, layout)
        if manifest is None:
            return
        shared = [file for file in manifest.files if file.path.startswith(_SHARED)]
        if manifest.synced:
            self.durable = frozenset(file.path for file in shared)
        directory = files.open_directory(layout.root)
        try:
            found = files.stat_many(directory, [file.path for file in shared])
        finally:
            files.close(directory)
        for file, (number, _, _, size, _, _) in zip(shared, found, strict=True):
            if number == 0 and size == file.size:
                # `000123_s0123456789ABCDEFGHIJ_456.sst` is `000123.sst` in the database.
                stem, _, rest = file.path[len(_SHARED) :].partition("_")
                self._by_name[f"{stem}.{rest.rpartition('.')[2]}"] = file

    def find(self, name: str, stat: FileStat) -> StoredFile | None:
        """The stored file, when the database's file is still the one that was stored."""
        file = self._by_name.get(name)
        if (
            file is not None
            and file.size == stat.size
            and file.source_mtime_ns == stat.mtime_ns
            and file.source_inode == stat.inode
        ):
            return file
        return None


def find_by_name(files: Files, layout: Layout, names: Iterable[str]) -> dict[str, StoredFile]:
    """Of the shared file `names`, those that a backup refers to with a checksum and that are sound in size.

    A name that lies there without a backup that refers to it may be half a file, so it does not count. Backups
    that RocksDB made know no xxh3: it is empty then, and crc32c alone vouches for the file.
    """
    paths = [_SHARED + name for name in names]
    directory = files.open_directory(layout.root)
    try:
        found = files.stat_many(directory, paths)
    finally:
        files.close(directory)
    wanted = {path for path, (number, *_) in zip(paths, found, strict=True) if number == 0}
    result: dict[str, StoredFile] = {}
    for backup_id in reversed(backup_ids(files, layout)):
        if not wanted:
            break
        backup = load_backup(files, layout, backup_id)
        methods = {file.path: file.method for file in backup.manifest.files} if backup.manifest else {}
        for file in backup.files:
            if file.path not in wanted or file.crc32c is None or file.size is None:
                continue
            if file.expected_size not in (None, file.size) or not file.path.endswith(
                (f"_{file.size}.sst", f"_{file.size}.blob")
            ):
                continue
            wanted.discard(file.path)
            result[file.path.removeprefix(_SHARED)] = StoredFile(
                path=file.path,
                size=file.size,
                crc32c=file.crc32c,
                xxh3=file.xxh3 or b"",
                method=methods.get(file.path, Method.COPY),
                source_inode=0,
                source_mtime_ns=0,
            )
    return result
