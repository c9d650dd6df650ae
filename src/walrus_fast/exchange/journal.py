"""What is being exchanged with what: written before the first step, so that any run can finish or undo it.

`exchange.json` lies in the restore folder, JSON so that an operator can read it on the worst day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from walrus_fast.durable import publish
from walrus_fast.errors import FileMissing, RestoreRefused
from walrus_fast.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["Exchange", "WalExchange", "encode_exchange", "load_exchange", "save_journal"]


class WalExchange(msgspec.Struct, frozen=True, kw_only=True):
    """WALs outside the database's folder: those in `directory` go to `previous`, those in `incoming` come in."""

    directory: str
    incoming: str
    previous: str
    moved_out: bool = False


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """`incoming` takes the place of `target`, whose database ends in `previous`.

    `inode` is that of the folder `incoming`: the folder that has it now tells how far a whole-folder exchange got.
    `in_place`: the files are moved, not the folder (a mount point cannot be exchanged). Then, and with WALs
    elsewhere, several steps are needed; CURRENT names no MANIFEST meanwhile, so that RocksDB opens neither half,
    and `current` is what it says at the end. Empty: one atomic step, nothing to hide.
    """

    target: str
    incoming: str
    previous: str
    inode: int
    in_place: bool = False
    moved_out: bool = False
    wal: WalExchange | None = None
    current: str = ""
    is_undo: bool = False


def save_journal(files: Files, folder: Path, exchange: Exchange) -> None:
    """Make the journal durable; replaces an earlier state of the same exchange."""
    publish(files, folder / "exchange.json", encode_exchange(exchange), temporary=folder / "exchange.new", sync=True)


def encode_exchange(exchange: Exchange) -> bytes:
    """JSON, indented for eyes."""
    return msgspec.json.format(msgspec.json.encode(exchange), indent=2)


def load_exchange(files: Files, path: Path) -> Exchange | None:
    """The exchange that `path` describes, None when there is no such file.

    Raises: RestoreRefused when it is damaged: then a person must look.
    """
    try:
        return msgspec.json.decode(files.read_bytes(path, limit=1 << 16), type=Exchange)
    except FileMissing:
        return None
    except UNDECODABLE as exc:
        raise RestoreRefused(
            f"{path} is damaged: {exc}",
            hint=f"An interrupted restore left it. Compare the database with what is in {path.parent} by hand.",
        ) from exc
