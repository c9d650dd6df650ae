"""Undo: exchange a restored database with the one that the restore has kept."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from walrus_fast.errors import RestoreRefused
from walrus_fast.exchange.folder import no_restore_under_way, previous_databases, restore_folder
from walrus_fast.exchange.journal import Exchange, WalExchange, load_exchange
from walrus_fast.exchange.steps import RECORD, is_there
from walrus_fast.operations.restore.restore import time_stamp
from walrus_fast.rocksdb.manifest import read_current
from walrus_fast.rocksdb.ownership import hold_database, is_held, owned_by, owner_pid

if TYPE_CHECKING:
    from collections.abc import Callable

    from walrus_fast.files import Files

__all__ = ["UndoReport", "discard_previous", "undo_restore"]


@dataclass(frozen=True, slots=True)
class UndoReport:
    """`restored` was brought back from `source`; what it replaced is kept in `undone`."""

    restored: Path
    source: Path
    undone: Path
    notes: tuple[str, ...]


def undo_restore(files: Files, database: Path, *, now: Callable[[], float] = time.time) -> UndoReport:
    """Bring the newest database that a restore has kept back into its place. What is there now is kept as well.

    Interrupted at any point, the next restore or undo finishes it or takes it back.
    Raises: RestoreRefused when there is nothing to go back to, DatabaseOwned, StorageError.
    """
    target = database.resolve()
    if (pid := owner_pid(files, target)) is not None:
        raise owned_by(pid, target)
    with ExitStack() as stack:
        held = stack.enter_context(hold_database(files, target))
        folder = stack.enter_context(restore_folder(files, target))
        settled = folder.settled
        if settled is not None and settled.finished and settled.exchange.is_undo:
            _clean_up(files, settled.exchange)
            return _report(settled.exchange, (str(settled),))
        kept = previous_databases(files, target)
        if not kept:
            raise RestoreRefused(
                f"there is no database from before a restore of {target}",
                hint="An undo needs the folder <database>.before-restore-<time> that the restore has kept.",
            )
        source = kept[-1]
        read_current(files, source)
        stamp = time_stamp(now())
        undone = folder.name_previous(stamp, what="undone")
        record = load_exchange(files, source / RECORD)
        wal = None
        if record is not None and record.wal is not None:
            directory = Path(record.wal.directory)
            wal = WalExchange(
                directory=str(directory), incoming=record.wal.previous, previous=str(directory / f"undone-{stamp}")
            )
        if not is_held(files, target, held):
            stack.enter_context(hold_database(files, target))  # what lies there now was not there when we began
        exchange = folder.exchange(source, undone, wal=wal, is_undo=True)
        _clean_up(files, exchange)
    return _report(exchange, (str(folder.settled),) if folder.settled else ())


def _clean_up(files: Files, exchange: Exchange) -> None:
    """Remove our record, and in place the emptied folder, of the database that is back in use."""
    target, source = Path(exchange.target), Path(exchange.incoming)
    if not exchange.in_place:
        files.unlink(target / RECORD, missing_ok=True)
    elif is_there(source):
        for name in ("CURRENT", RECORD):
            files.unlink(source / name, missing_ok=True)
        files.remove_directory(source)


def _report(exchange: Exchange, notes: tuple[str, ...]) -> UndoReport:
    return UndoReport(Path(exchange.target), Path(exchange.incoming), Path(exchange.previous), notes)


def discard_previous(files: Files, database: Path) -> list[Path]:
    """Delete every database that restores and undos of `database` have kept. Returns what was deleted.

    Raises: RestoreRefused when the database is not there, so that the last one is never deleted, or when an exchange
    was interrupted, which may need them; RepositoryBusy when a restore or an undo runs; StorageError.
    """
    target = database.resolve()
    if not (target / "CURRENT").exists():
        raise RestoreRefused(
            f"{target} is no database: what restores have kept may be all there is",
            hint="`restore --undo` brings the newest of them back.",
        )
    with no_restore_under_way(files, target):
        kept = [*previous_databases(files, target), *previous_databases(files, target, what="undone")]
        for path in kept:
            record = load_exchange(files, path / RECORD)
            if record is not None and record.wal is not None:
                files.remove_tree(Path(record.wal.previous))
            files.remove_tree(path)
    return kept
