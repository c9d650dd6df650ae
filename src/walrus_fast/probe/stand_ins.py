"""Options to read a stranger's database with: its comparators, and a stand-in for its merge operators.

The binding cannot set comparators, but it can load an OPTIONS file; so one is written that says only this. Values
of merged keys are put together by RocksDB's own `StringAppendOperator`: they are not what the node would see, and
nobody looks at them, but every block and every operand is read and counted.
"""

from __future__ import annotations

__all__ = ["BYTEWISE", "KNOWN_COMPARATORS", "READER_VERSION", "REVERSE", "stand_in_options"]

READER_VERSION = "9.8.4"  # of the RocksDB in the binding; a test compares it with what the binding writes

BYTEWISE = "leveldb.BytewiseComparator"
REVERSE = "rocksdb.ReverseBytewiseComparator"
# "": MANIFESTs of old versions do not say; it was bytewise then.
KNOWN_COMPARATORS = {"": BYTEWISE, BYTEWISE: BYTEWISE, REVERSE: REVERSE}


def stand_in_options() -> str:
    """An OPTIONS file with a family for each comparator, named as `KNOWN_COMPARATORS` and `default` for bytewise."""
    parts = ["[Version]\n  rocksdb_version=9.8.0\n  options_file_version=1.1\n[DBOptions]\n"]
    for name, comparator in (("default", BYTEWISE), (REVERSE, REVERSE)):
        parts.append(
            f'[CFOptions "{name}"]\n  comparator={comparator}\n'
            "  merge_operator={id=StringAppendOperator;delimiter=,;}\n"
            f'[TableOptions/BlockBasedTable "{name}"]\n'
        )
    return "".join(parts)
