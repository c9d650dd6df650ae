"""Exchanging a restored database with the one that is there, so that a kill at any point leaves one of them whole.

All work is done in a hidden sibling of the database, `.<name>.walrus-fast-restore/`:

    incoming/        the new database, verified and durable before anything else happens
    exchange.json    written just before the exchange: what is exchanged with what

The old database ends as `<name>.before-restore-<time>`. Which of the two lies at the database's path after a
crash is told by the inode of the folder, which `exchange.json` holds; `settle` reads it and finishes or undoes.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from walrus_fast.durable import publish
from walrus_fast.errors import FileMissing, RepositoryBusy, RestoreRefused, StorageError
from walrus_fast.rocksdb.names import is_rocksdb_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walrus_fast.files import Files

__all__ = ["RestoreFolder", "restore_folder"]

# File systems without RENAME_EXCHANGE say so in these ways.
_NO_EXCHANGE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


class _Exchange(msgspec.Struct, frozen=True):
    """`new_inode` is that of the folder with the restored database."""

    previous: str
    new_inode: int


@dataclass(frozen=True, slots=True)
class RestoreFolder:
    """The sibling in which a restore works. `settled` says in words what an earlier, interrupted one came to."""

    files: Files
    target: Path
    root: Path
    settled: str | None

    @property
    def incoming(self) -> Path:
        """Where the new database is put together."""
        return self.root / "incoming"

    @property
    def journal(self) -> Path:
        """What is about to be exchanged."""
        return self.root / "exchange.json"

    def exchange(self, previous: Path) -> bool:
        """Put `incoming` in the target's place; what was there becomes `previous`. True when there was something.

        The caller has made `incoming` durable and holds the target's LOCK. Raises: StorageError; then the target
        is what it was, or the next restore says that it is the new one.
        """
        files, target = self.files, self.target
        if not _is_there(target) or not files.list_directory(target):
            files.rename(self.incoming, target)  # an empty folder is replaced in the same step
            files.sync_directory(target.parent)
            return False
        journal = msgspec.json.encode(_Exchange(str(previous), _inode(self.incoming)))
        publish(files, self.journal, journal, temporary=self.root / "exchange.new", sync=True)
        try:
            files.exchange(self.incoming, target)
            files.rename(self.incoming, previous)
        except StorageError as exc:
            if exc.number not in _NO_EXCHANGE:
                raise
            files.rename(target, previous)
            files.rename(self.incoming, target)
        files.sync_directory(target.parent)
        move_foreign_entries(files, previous, target)
        return True


@contextmanager
def restore_folder(files: Files, target: Path) -> Iterator[RestoreFolder]:
    """Settle what an interrupted restore left, and give this one a clean folder; removed at the end.

    The folder is kept when it still holds the only way to a database that was there before.
    Raises: RepositoryBusy when another restore of the same database runs, RestoreRefused, StorageError.
    """
    root = target.parent / f".{target.name}.walrus-fast-restore"
    files.make_directories(root)
    lock = files.open_directory(root)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise RepositoryBusy(f"another restore of {target} is running") from exc
        settled = _settle(files, target, root)
        folder = RestoreFolder(files, target, root, settled)
        files.make_directory(folder.incoming)
        try:
            yield folder
        except BaseException:
            _settle(files, target, root)
            files.remove_directory(root)
            raise
        _settle(files, target, root)
        files.remove_directory(root)
    finally:
        files.close(lock)


def _settle(files: Files, target: Path, root: Path) -> str | None:
    """Finish or undo an exchange, then empty the folder. Says what was found, None when there was nothing."""
    journal, incoming = root / "exchange.json", root / "incoming"
    message = None
    try:
        exchange = msgspec.json.decode(files.read_bytes(journal, limit=1 << 16), type=_Exchange)
    except FileMissing:
        exchange = None
    except msgspec.MsgspecError as exc:
        raise RestoreRefused(
            f"{journal} is damaged: {exc}",
            hint=f"Compare {target} and {incoming} by hand; one of them is the database from before the restore.",
        ) from exc
    if exchange is not None:
        previous = Path(exchange.previous)
        if not _is_there(target):
            # Killed between the two renames of a file system without exchange: the new one is next in line.
            files.rename(incoming, target)
            files.sync_directory(target.parent)
        if _inode(target) == exchange.new_inode:
            if _is_there(incoming):
                files.rename(incoming, previous)  # the old database, exchanged but not named yet
            files.sync_directory(target.parent)
            move_foreign_entries(files, previous, target)
            message = f"an interrupted restore had finished: {target} is the restored database, {previous} the old one"
        else:
            message = f"an interrupted restore had changed nothing: {target} is still the database from before"
    if _is_there(incoming):
        files.remove_tree(incoming)
        message = message or f"an interrupted restore was removed; {target} had not been touched"
    for name in ("exchange.json", "exchange.new"):
        files.unlink(root / name, missing_ok=True)
    return message


def move_foreign_entries(files: Files, source: Path, target: Path) -> None:
    """Move what is not RocksDB's from one database folder to the other; names that are taken stay behind."""
    try:
        entries = files.list_directory(source)
    except FileMissing:
        return  # removed by the operator since
    taken = {name for name, _ in files.list_directory(target)}
    for name, _ in entries:
        if name not in taken and not is_rocksdb_file(name):
            files.rename(source / name, target / name)


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


def _inode(path: Path) -> int:
    return path.stat().st_ino
