"""The folder in which a restore works: beside the database, or in it when it is a mount point.

    incoming/        the new database, verified and durable before anything else happens
    partial/         what a killed restore had brought in: reused after a check, never believed
    exchange.json    see `journal`

Beside: `.<name>.walrus-fast-restore`, and the old database ends as `<name>.before-restore-<time>`.
In it: `.walrus-fast-restore`, and the old files end in the folder `before-restore-<time>`.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from walrus_fast.errors import FileMissing, RepositoryBusy, RestoreRefused, StorageError
from walrus_fast.exchange.journal import Exchange, WalExchange, load_exchange, save_journal
from walrus_fast.exchange.steps import abandon, carry_out, has_begun, is_there

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walrus_fast.files import Files

__all__ = ["RestoreFolder", "Settled", "no_restore_under_way", "previous_databases", "restore_folder", "works_in_place"]

_WAL_FOLDER = ".walrus-fast-restore"


@dataclass(frozen=True, slots=True)
class Settled:
    """What an interrupted exchange came to: finished now, or taken back because it had not begun."""

    exchange: Exchange
    finished: bool

    def __str__(self) -> str:
        if self.finished:
            return (
                f"an interrupted exchange was finished: {self.exchange.incoming} is now {self.exchange.target}, "
                f"and what was there is {self.exchange.previous}"
            )
        return f"an interrupted restore had changed nothing: {self.exchange.target} is the database from before it"


@dataclass(frozen=True, slots=True)
class RestoreFolder:
    """Where one restore works. `settled` is what an earlier, interrupted one came to.

    `incoming_wals` is on the file system of WALs that lie elsewhere, None when they are in the database's folder.
    """

    files: Files
    target: Path
    root: Path
    in_place: bool
    settled: Settled | None
    incoming_wals: Path | None

    @property
    def incoming(self) -> Path:
        """Where the new database is put together."""
        return self.root / "incoming"

    @property
    def partial(self) -> Path:
        """What is left of a killed restore; may be missing."""
        return self.root / "partial"

    def name_previous(self, stamp: str, *, what: str = "before-restore") -> Path:
        """A free name for the database that is replaced."""
        base = self.target / f"{what}-{stamp}" if self.in_place else Path(f"{self.target}.{what}-{stamp}")
        candidate, count = base, 1
        while is_there(candidate):
            count += 1
            candidate = base.with_name(f"{base.name}-{count}")
        return candidate

    def replaces_something(self) -> bool:
        """Whether there is a database, or anything else, that must be kept."""
        return is_there(self.target) and any(
            name not in (".walrus-fast-restore", "lost+found") for name, _ in self.files.list_directory(self.target)
        )

    def exchange(self, incoming: Path, previous: Path, *, wal: WalExchange | None, is_undo: bool = False) -> Exchange:
        """Put `incoming` in the target's place; what was there becomes `previous`.

        The caller has made `incoming` durable and holds the target's LOCK. Raises: StorageError; then the next
        restore finishes it or takes it back, and says which.
        """
        files = self.files
        several_steps = self.in_place or wal is not None
        exchange = Exchange(
            target=str(self.target),
            incoming=str(incoming),
            previous=str(previous),
            inode=incoming.stat().st_ino,
            in_place=self.in_place,
            wal=wal,
            current=files.read_bytes(incoming / "CURRENT", limit=4096).decode("ascii") if several_steps else "",
            is_undo=is_undo,
        )
        if not several_steps and not self.replaces_something():
            files.rename(incoming, self.target)  # an empty folder is replaced in the same step
            files.sync_directory(self.target.parent)
            return exchange
        # What is exchanged must not be lost with the name of a folder that it lies in: none of them was ever synced.
        files.sync_directory(self.root.parent)
        if wal is not None:
            files.sync_directory(Path(wal.incoming).parent)
        save_journal(files, self.root, exchange)
        carry_out(files, self.root, exchange)
        return exchange


def works_in_place(target: Path) -> bool:
    """Whether the folder itself cannot be exchanged: a mount point, or a parent that we may not write."""
    return _is_mount_point(target) or (target.is_dir() and not os.access(target.parent, os.W_OK))


def _is_mount_point(path: Path) -> bool:
    """Also for bind mounts of the same file system, which device numbers do not tell (`os.path.ismount`)."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    escaped = str(path).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")
    return any(line.split(" ", 5)[4] == escaped for line in mounts.splitlines())


@contextmanager
def restore_folder(files: Files, target: Path, *, wal_dir: Path | None = None) -> Iterator[RestoreFolder]:
    """Settle what an interrupted restore left, and give this one a clean folder; removed at the end.

    `wal_dir`: WALs that lie elsewhere get a folder there, `incoming_wals`.
    Raises: RepositoryBusy when another restore of the same database runs, RestoreRefused, StorageError.
    """
    in_place = works_in_place(target)
    root = _root(target, in_place=in_place)
    lock = _claim(files, root, target)
    try:
        incoming_wals = None if wal_dir is None else wal_dir / _WAL_FOLDER
        folder = RestoreFolder(files, target, root, in_place, _settle(files, root), incoming_wals)
        if is_there(folder.incoming):
            files.remove_tree(folder.partial)
            files.rename(folder.incoming, folder.partial)
        try:
            files.make_directory(folder.incoming)
            if incoming_wals is not None:
                files.make_directories(incoming_wals.parent)
                files.remove_tree(incoming_wals)
                files.make_directory(incoming_wals)
            yield folder
        finally:
            # Also after an error: what had begun is finished, what had not is taken back. Only then may go what
            # an exchange could still need.
            _settle(files, root)
            if incoming_wals is not None:
                files.remove_tree(incoming_wals)
            files.remove_tree(root)
    finally:
        files.close(lock)


def _root(target: Path, *, in_place: bool) -> Path:
    return target / ".walrus-fast-restore" if in_place else target.parent / f".{target.name}.walrus-fast-restore"


@contextmanager
def no_restore_under_way(files: Files, target: Path) -> Iterator[None]:
    """Keep restores and undos of a database out for the block; nothing of an interrupted one is settled.

    Raises: RepositoryBusy when one runs, RestoreRefused when one was interrupted while it exchanged, StorageError.
    """
    root = _root(target, in_place=works_in_place(target))
    lock = _claim(files, root, target)
    try:
        if load_exchange(files, root / "exchange.json") is not None:
            raise RestoreRefused(
                f"a restore or an undo of {target} was interrupted while it exchanged the databases",
                hint="Run it again first: it finishes what was begun, or takes it back.",
            )
        yield
    finally:
        try:
            files.remove_directory(root)
        except StorageError:
            pass  # not empty: what an interrupted restore had brought in, which the next one uses
        files.close(lock)


def _claim(files: Files, root: Path, target: Path) -> int:
    """Make and lock the restore folder; the descriptor that holds the lock."""
    files.distrust(root.parent)
    while True:
        files.make_directories(root.parent)
        try:
            files.own_directory(root)
            lock = files.open_directory(root)
        except FileMissing:
            continue  # another restore ended and took it away
        try:
            if not files.hold(lock):
                raise RepositoryBusy(f"another restore of {target} is running")
        except BaseException:
            files.close(lock)
            raise
        if _is_still(lock, root):
            return lock
        # Removed by its owner, perhaps made anew by a third, between our open and our lock: that guards nothing.
        files.close(lock)


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _settle(files: Files, root: Path) -> Settled | None:
    """Finish or take back an exchange that was under way; None when there was none."""
    exchange = load_exchange(files, root / "exchange.json")
    if exchange is None:
        return None
    finished = has_begun(files, exchange)
    if finished:
        carry_out(files, root, exchange)
    else:
        abandon(files, root, exchange)
    files.unlink(root / "exchange.json", missing_ok=True)
    return Settled(exchange, finished)


def previous_databases(files: Files, target: Path, *, what: str = "before-restore") -> list[Path]:
    """The databases that restores (or with `what="undone"`, undos) have kept, oldest first."""
    found = [
        target.parent / name
        for name, is_directory in files.list_directory(target.parent)
        if is_directory and name.startswith(f"{target.name}.{what}-")
    ]
    if is_there(target):
        found += [
            target / name
            for name, is_directory in files.list_directory(target)
            if is_directory and name.startswith(f"{what}-")
        ]
    return sorted(found, key=lambda path: path.name.rpartition(f"{what}-")[2])
