"""Run in a process of its own: makes a RocksDB (9.8, rocksdict) and holds it open until stdin ends.

    python make_database.py DIRECTORY SEED SHAPE

Prints one line of JSON: what RocksDB itself reports about the open database.
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

from rocksdict import Options, Rdict

SHAPES = ("plain", "atomic", "recycled", "rotated")


def options(shape: str, *, blobs: bool = False) -> Options:
    made = Options(raw_mode=True)
    made.create_if_missing(True)
    made.set_write_buffer_size(4 << 20)
    made.set_disable_auto_compactions(True)
    if shape == "atomic":
        made.set_atomic_flush(True)
    if shape == "recycled":
        made.set_recycle_log_file_num(4)
    if shape == "rotated":
        made.set_max_manifest_file_size(2000)
    if blobs:
        made.set_enable_blob_files(True)
        made.set_min_blob_size(100)
        made.set_enable_blob_gc(True)
        made.set_blob_gc_age_cutoff(1.0)
    return made


def fill(family: Rdict, rng: random.Random, rows: int, size: int) -> None:
    for _ in range(rows):
        family.put(b"key%06d" % rng.randrange(400), rng.randbytes(size))


def work(database: Rdict, shape: str, rng: random.Random) -> dict[str, Rdict]:
    families = {"default": database}
    for name in ("large", "gone", "again"):
        families[name] = database.create_column_family(name, options(shape, blobs=name == "large"))
    for turn in range(4):
        for name, family in families.items():
            fill(family, rng, 60, 600 if name == "large" else 40)
            if shape != "atomic" or name == "default":
                family.flush(True)
        if turn == 2:
            families["large"].compact_range(None, None)
            families["default"].compact_range(None, None)
    for name in ("gone", "again"):
        families.pop(name).close()
        database.drop_column_family(name)
    families["again"] = database.create_column_family("again", options(shape))
    fill(families["again"], rng, 5, 20)
    families["large"].compact_range(None, None)
    fill(families["large"], rng, 10, 50_000)  # records that span blocks, in the WAL only
    fill(database, rng, 50, 30)
    return families


def report(database: Rdict, families: dict[str, Rdict]) -> dict[str, Any]:
    return {
        "sequence": database.latest_sequence_number(),
        "families": sorted(families),
        "files": database.live_files(),
        "blob_files": {name: int(str(f.property_value("rocksdb.num-blob-files"))) for name, f in families.items()},
    }


def main() -> None:
    path, seed, shape = sys.argv[1:]
    database = Rdict(path, options(shape))
    families = work(database, shape, random.Random(int(seed)))
    database.flush_wal(True)
    print(json.dumps(report(database, families), default=str), flush=True)
    sys.stdin.read()
    for name, family in families.items():
        if name != "default":
            family.close()
    database.close()


if __name__ == "__main__":
    main()
