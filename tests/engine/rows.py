"""Databases of known rows, in tables and blob files of one size: what `FillDB` is to RocksDB's own tests.

A value depends on its key and on a tag, its length on the key alone: two histories with other tags have files of the
same number and size and with other bytes. Tables are of format 5, which RocksDB 7.8 can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rocksdict import AccessType, BlockBasedOptions, DBCompressionType, Options, Rdict

if TYPE_CHECKING:
    from pathlib import Path

BLOB_BYTES = 256  # every third value is longer and lies in a blob file


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_disable_auto_compactions(True)
    options.set_compression_type(DBCompressionType.none())
    options.set_enable_blob_files(True)
    options.set_min_blob_size(BLOB_BYTES)
    table = BlockBasedOptions()
    table.set_format_version(5)
    options.set_block_based_table_factory(table)
    return options


def value(number: int, tag: str) -> bytes:
    """The value of row `number`."""
    return (b"%s %06d " % (tag.encode(), number) * 60)[: 600 if number % 3 == 0 else 60]


def fill(database: Path, first: int, last: int, tag: str = "a", *, flush: bool = True) -> None:
    """Write rows `first` to `last - 1`; flush them to one table and one blob file, or leave them in the WAL."""
    db = Rdict(str(database), _options())
    try:
        for number in range(first, last):
            db.put(b"%06d" % number, value(number, tag))
        if flush:
            db.flush()
    finally:
        db.close()


def rows(database: Path) -> dict[int, bytes]:
    """Every row of a database, which is left as it is."""
    db = Rdict(str(database), _options(), access_type=AccessType.read_only(False))
    try:
        return {int(key): found for key, found in db.items()}
    finally:
        db.close()


def expected(*runs: tuple[int, int, str]) -> dict[int, bytes]:
    """The rows after `fill` with these arguments, one after the other."""
    return {number: value(number, tag) for first, last, tag in runs for number in range(first, last)}
