"""RocksDB's db_bench as the owner of a database: reads from the disk, writes at a fixed rate, says how it fared."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import CommandFailed, run_command

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["build", "own_group", "owner_figures", "start_owner"]

_VALUE_BYTES = 1000
_WRITES_PER_SECOND = 200
_READERS = 2
_HISTOGRAM = r"rocksdb\.db\.{}\.micros P50 : ([\d.]+) P95 : ([\d.]+) P99 : ([\d.]+) P100 : ([\d.]+) COUNT : (\d+)"
_IN_GROUP = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


def _common(database: Path, size: int) -> list[str]:
    return [
        f"--db={database}",
        f"--num={size // _VALUE_BYTES}",
        f"--value_size={_VALUE_BYTES}",
        "--compression_type=none",
        "--disable_wal=0",
    ]


def build(database: Path, size: int) -> None:
    """`size` bytes of values of a kilobyte, in order."""
    run_command(["db_bench", "--benchmarks=fillseq,waitforcompaction", *_common(database, size)])


@contextmanager
def own_group() -> Iterator[Path | None]:
    """A cgroup (version 2) for the owner, as a service of its own has; None where we may not make one."""
    for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        group = root / f"walrus-fast-bench-{os.getpid()}"
        if not (root / "cgroup.procs").exists():
            continue
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            yield group
        finally:
            group.rmdir()
        return
    yield None


def start_owner(database: Path, size: int, seconds: int, output: Path, group: Path | None) -> subprocess.Popen[bytes]:
    """Begin; what it says at its end lies in `output`.

    Reads are direct, as those of a database larger than memory go to the disk; each write waits for it.
    """
    command = [
        "db_bench",
        "--benchmarks=readwhilewriting",
        "--use_existing_db=1",
        *_common(database, size),
        f"--threads={_READERS}",
        f"--duration={seconds}",
        "--use_direct_reads=1",
        "--cache_size=8388608",
        "--sync=1",
        f"--benchmark_write_rate_limit={_WRITES_PER_SECOND * (_VALUE_BYTES + 16)}",
        "--statistics=1",
    ]
    if group is not None:
        command = ["sh", "-c", _IN_GROUP, str(group), *command]
    with output.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def owner_figures(output: Path) -> dict[str, object]:
    """What an owner said at its end: operations a second, and microseconds. Raises: CommandFailed."""
    said = output.read_text(errors="replace")
    speed = re.search(r"readwhilewriting\s*:.*?(\d+) ops/sec", said)
    reads, writes = (re.search(_HISTOGRAM.format(kind), said) for kind in ("get", "write"))
    if speed is None or reads is None or writes is None:
        raise CommandFailed(f"db_bench did not say what it did: {said[-2000:]}")
    return {
        "reads_per_second": float(speed[1]),
        "read_p99": float(reads[3]),
        "writes": float(writes[5]),
        "write_p99": float(writes[3]),
        "write_worst": float(writes[4]),
    }
