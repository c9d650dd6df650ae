"""Static databases of a given size, built by a real RocksDB in a process of its own.

    tables(folder, 3 << 30, seed=1)                 # incompressible values, all in table files
    blobs(folder, 3 << 30, blob_file_size=64 << 20)  # the same, all in blob files
    touch(folder, 0.01)                             # rewrites 1 %: a few new files, the others stay

Compactions are off, so that files appear only when something is written and none ever goes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from workload.settings import KIB, database_options
from workload.states import noise

REPOSITORY = Path(__file__).resolve().parent.parent
SHAPE = b"shape"
POOL_BYTES = 64 << 20
BATCH_BYTES = 4 << 20
BUILD_TIMEOUT = 1800.0
NEVER = 1 << 30


@dataclass(frozen=True)
class Shape:
    """What was built; stored under the key `shape`, so that `touch` needs to be told nothing.

    Attributes:
        count: number of values.
        value_size: bytes of each.
        file_size: about the size of each file.
        blob_files: whether values lie in blob files.
        touched: how often `touch` has rewritten something.
    """

    seed: int
    count: int
    value_size: int
    file_size: int
    blob_files: bool
    format_version: int | None = None
    touched: int = 0


def tables(
    folder: Path,
    total_bytes: int,
    seed: int = 1,
    *,
    file_size: int = 32 << 20,
    value_size: int = 16 * KIB,
    format_version: int | None = None,
) -> Shape:
    """Build a database of table files of about `file_size`. `format_version=5` for RocksDB 7.8.

    Raises:
        RuntimeError: with what RocksDB said.
    """
    count = max(1, total_bytes // value_size)
    return _in_subprocess("build", folder, Shape(seed, count, value_size, file_size, False, format_version))


def blobs(
    folder: Path,
    total_bytes: int,
    blob_file_size: int = 64 << 20,
    seed: int = 1,
    *,
    value_size: int = 64 * KIB,
    format_version: int | None = None,
) -> Shape:
    """Build a database whose values lie in blob files of about `blob_file_size`. Raises as `tables`."""
    count = max(1, total_bytes // value_size)
    return _in_subprocess("build", folder, Shape(seed, count, value_size, blob_file_size, True, format_version))


def touch(folder: Path, fraction: float = 0.01) -> Shape:
    """Rewrite a run of `fraction` of the values, another run each time; then flush. Raises as `tables`."""
    return _in_subprocess("touch", folder, fraction)


def _in_subprocess(action: str, folder: Path, what: Shape | float) -> Shape:
    given = json.dumps(asdict(what) if isinstance(what, Shape) else what)
    command = [sys.executable, "-m", "workload.shapes", action, str(folder.absolute()), given]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"could not {action} {folder}: {done.stderr[-2000:]}")
    return Shape(**json.loads(done.stdout))


def _options(shape: Shape) -> Options:
    options = database_options(create=True)
    options.set_disable_auto_compactions(True)
    options.set_level_zero_slowdown_writes_trigger(NEVER)
    options.set_level_zero_stop_writes_trigger(NEVER)
    options.set_compression_type(DBCompressionType.none())
    # `_write` flushes after each `file_size`: no memtable is full before that, and neither a table nor a blob
    # file is cut earlier. Left to itself RocksDB merges as many memtables as wait for the flush.
    options.set_write_buffer_size(4 * shape.file_size)
    options.set_target_file_size_base(4 * shape.file_size)
    options.set_max_background_jobs(4)
    if shape.format_version is not None:
        table = BlockBasedOptions()
        table.set_format_version(shape.format_version)
        options.set_block_based_table_factory(table)
    if shape.blob_files:
        options.set_enable_blob_files(True)
        options.set_min_blob_size(KIB)
        options.set_blob_file_size(4 * shape.file_size)
    return options


def _build(folder: Path, shape: Shape) -> Shape:
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "CURRENT").exists():
        raise FileExistsError(f"{folder} is a database already")
    _write(folder, shape, range(shape.count))
    return shape


def _touch(folder: Path, fraction: float) -> Shape:
    reader = Rdict(str(folder), database_options(), {"default": database_options()}, AccessType.read_only(False))
    stored = reader.get(SHAPE)
    reader.close()
    if stored is None:
        raise ValueError(f"{folder} was not built by this module")
    found = json.loads(stored)
    shape = Shape(**{**found, "touched": found["touched"] + 1})
    size = max(1, round(shape.count * fraction))
    start = shape.touched * size % max(1, shape.count - size + 1)
    _write(folder, shape, range(start, start + size))
    return shape


def _write(folder: Path, shape: Shape, numbers: range) -> None:
    """Put the values of `numbers`, and the shape, without a log; flush."""
    db = Rdict(str(folder), _options(shape), {"default": _options(shape)})
    unlogged = WriteOptions()
    # The stub of rocksdict 0.3.29 calls this a method; it is a property.
    unlogged.disable_wal = True  # type: ignore[method-assign, assignment]
    pool = noise(shape.seed, POOL_BYTES + shape.value_size)
    per_file = max(1, shape.file_size // shape.value_size)
    per_batch = max(1, BATCH_BYTES // shape.value_size)
    first = numbers.start
    while first < numbers.stop:
        written = first - numbers.start
        if written and written % per_file == 0:
            db.flush()
        stop = min(first + per_batch, first + per_file - written % per_file, numbers.stop)
        batch = WriteBatch(raw_mode=True)
        for number in range(first, stop):
            head = b"%d.%d:" % (number, shape.touched)
            # An odd stride: consecutive values do not overlap within the pool.
            offset = number * (shape.value_size + 1) * 7 % POOL_BYTES
            batch.put(b"%012d" % number, head + pool[offset : offset + shape.value_size - len(head)])
        db.write(batch, unlogged)
        first = stop
    db.put(SHAPE, json.dumps(asdict(shape)).encode(), unlogged)
    db.flush()
    db.close()


def main(arguments: list[str] | None = None) -> int:
    """`build DIR SHAPE-AS-JSON`, `touch DIR FRACTION`; prints the shape. For people: the functions above."""
    parser = argparse.ArgumentParser(prog="workload.shapes", description="Build or touch a static database.")
    parser.add_argument("action", choices=("build", "touch"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", type=json.loads, help="a shape, or a fraction, as JSON")
    given = parser.parse_args(arguments)
    if given.action == "build":
        shape = _build(given.folder, Shape(**given.what))
    else:
        shape = _touch(given.folder, float(given.what))
    print(json.dumps(asdict(shape)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
