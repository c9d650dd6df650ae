"""The steps of an exchange. Each looks first whether it has been done, so that all can be repeated after a kill.

Whole folder: one `renameat2(RENAME_EXCHANGE)`, or two renames on file systems without it. In place, and with WALs
elsewhere: CURRENT is replaced by one that names no MANIFEST, files are moved, and the rename of the right CURRENT
is the last step. RocksDB refuses to open such a database, and never takes it for an empty one, even with
`create_if_missing`.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from walrus_fast.durable import publish
from walrus_fast.errors import FileMissing, StorageError
from walrus_fast.exchange.journal import Exchange, encode_exchange, save_journal
from walrus_fast.rocksdb.names import FileKind, classify, is_rocksdb_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from walrus_fast.files import Files

__all__ = ["RECORD", "abandon", "carry_out", "has_begun", "is_there"]

_OURS = ".walrus-fast-restore"
RECORD = f"{_OURS}.json"
# RocksDB checks the form of the name and then fails to find the file: it opens nothing and creates nothing.
CLOSED = "MANIFEST-000000\n"
# File systems without RENAME_EXCHANGE say so in these ways.
_NO_EXCHANGE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_STAYS = frozenset({FileKind.LOCK, FileKind.FOREIGN})  # LOCK: we hold it


def has_begun(files: Files, exchange: Exchange) -> bool:
    """Whether the target is no longer simply the database from before."""
    if exchange.in_place:
        return exchange.moved_out or _current(files, Path(exchange.target)) == CLOSED
    # A missing target: killed between the two renames of a file system without exchange.
    return not is_there(Path(exchange.target)) or _inode(Path(exchange.target)) == exchange.inode


def carry_out(files: Files, folder: Path, exchange: Exchange) -> None:
    """Do what is left of an exchange whose journal has been saved in `folder`. The caller holds the target's LOCK.

    Raises: StorageError; then calling it again goes on from there.
    """
    if exchange.in_place:
        _move_in_place(files, folder, exchange)
    else:
        _exchange_folders(files, folder, exchange)
    target = Path(exchange.target)
    files.sync_directory(target)  # what CURRENT is about to name is there for good
    if exchange.current and _current(files, target) == CLOSED:
        _set_current(files, folder, target, exchange.current)
    files.sync_directory(target.parent)
    if is_there(Path(exchange.previous)):
        # For the undo: where the other parts of the old database are.
        record = Path(exchange.previous) / RECORD
        publish(files, record, encode_exchange(exchange), temporary=folder / "record.new", sync=True)


def abandon(files: Files, folder: Path, exchange: Exchange) -> None:
    """Take back the preparations of an exchange that has not begun."""
    incoming = Path(exchange.incoming)
    if exchange.current and is_there(incoming) and _current(files, incoming) == CLOSED:
        _set_current(files, folder, incoming, exchange.current)


def _exchange_folders(files: Files, folder: Path, exchange: Exchange) -> None:
    target, incoming, previous = Path(exchange.target), Path(exchange.incoming), Path(exchange.previous)
    if exchange.current and not has_begun(files, exchange):
        _set_current(files, folder, incoming, CLOSED)
    if not is_there(target):
        files.rename(incoming, target)
    elif _inode(target) != exchange.inode:
        try:
            files.exchange(incoming, target)
        except StorageError as exc:
            if exc.number not in _NO_EXCHANGE:
                raise
            files.rename(target, previous)
            files.rename(incoming, target)
    if is_there(incoming):
        files.rename(incoming, previous)
    files.sync_directory(target.parent)
    if is_there(previous):
        _move(files, previous, target, lambda name: not is_rocksdb_file(name) and not name.startswith(_OURS))
    _exchange_wals(files, folder, exchange)


def _move_in_place(files: Files, folder: Path, exchange: Exchange) -> None:
    target, incoming, previous = Path(exchange.target), Path(exchange.incoming), Path(exchange.previous)
    if not exchange.moved_out:
        files.make_directories(previous)
        files.sync_directory(target)  # before anything lies in it
        current = _current(files, target)
        if current is not None and current != CLOSED:
            _set_current(files, folder, previous, current)
            _set_current(files, folder, target, CLOSED)
        elif current is None:
            _set_current(files, folder, target, CLOSED)
        _move(files, target, previous, lambda name: name != "CURRENT" and classify(name)[0] not in _STAYS)
        files.sync_directory(previous)
        exchange = msgspec.structs.replace(exchange, moved_out=True)
        save_journal(files, folder, exchange)
    if is_there(incoming):
        _move(files, incoming, target, lambda name: name != "CURRENT" and is_rocksdb_file(name))
    _exchange_wals(files, folder, exchange)


def _exchange_wals(files: Files, folder: Path, exchange: Exchange) -> None:
    wal = exchange.wal
    if wal is None:
        return
    directory = Path(wal.directory)
    if not wal.moved_out:
        files.make_directories(Path(wal.previous))
        files.sync_directory(directory)  # before anything lies in it
        _move(files, directory, Path(wal.previous), _is_wal)
        files.sync_directory(Path(wal.previous))
        wal = msgspec.structs.replace(wal, moved_out=True)
        save_journal(files, folder, msgspec.structs.replace(exchange, wal=wal, moved_out=exchange.moved_out))
    if is_there(Path(wal.incoming)):
        _move(files, Path(wal.incoming), directory, _is_wal)
    files.sync_directory(directory)  # before the folder goes that they came from
    files.remove_tree(Path(wal.incoming))


def _is_wal(name: str) -> bool:
    return classify(name)[0] is FileKind.WAL


def _move(files: Files, source: Path, target: Path, wanted: Callable[[str], bool]) -> None:
    """Move entries; a name that is taken in the target stays where it is."""
    taken = {name for name, _ in files.list_directory(target)}
    for name, _ in files.list_directory(source):
        if wanted(name) and name not in taken:
            files.rename(source / name, target / name)


def _current(files: Files, database: Path) -> str | None:
    try:
        return files.read_bytes(database / "CURRENT", limit=4096).decode("ascii", "replace")
    except FileMissing:
        return None


def _set_current(files: Files, folder: Path, database: Path, contents: str) -> None:
    publish(files, database / "CURRENT", contents.encode(), temporary=folder / "current.new", sync=True)


def is_there(path: Path) -> bool:
    """Whether anything has the name, a dangling link included."""
    return os.path.lexists(path)


def _inode(path: Path) -> int:
    return path.stat().st_ino
