"""How fast the C part is, next to its readable Python twin: PYTHONPATH=. python bench/native.py

Each figure comes from a process of its own, which reports its time and the peak of its memory. The twin gets a
smaller share of the same work where the whole would take minutes; rates are per second, so they compare.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.oracle import encode as e
from tests.oracle import transfer as transfer_twin
from tests.oracle.log import BLOCK
from tests.oracle.manifest import ManifestTwin
from tests.oracle.table import identity
from tests.oracle.wal import scan_wal as scan_wal_twin
from walrus_fast import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = 11
LIVE_FILES = 100_000
SST_PROPERTIES = {
    "rocksdb.creating.session.identity": b"ABCDEFGHIJ0123456789",
    "rocksdb.creating.db.identity": b"81b9ea71-9940-4018-b4c9-329492de0ba5",
    "rocksdb.original.file.number": e.varint(1234),
    **{f"rocksdb.other.property.{n:02}": bytes(30) for n in range(40)},
}


def edits(total: int) -> Iterator[bytes]:
    """Like a long-lived database: 100,000 files at once, then compactions that replace some by others."""
    rng = random.Random(SEED)
    fields = [(5, e.varint(1 << 31)), (6, e.varint(1 << 31)), (13, e.varint(9)), (12, bytes(16)), (15, e.varint(999))]
    live = list(range(100, 100 + LIVE_FILES))
    number = size = 0
    yield e.header() + b"".join(e.new_file(n, size=64 << 20, fields=fields) for n in live)
    number = 100 + LIVE_FILES
    while size < total:
        edit = e.tagged(3, number) + e.tagged(4, number * 7)
        for at in rng.sample(range(len(live)), 10):
            edit += e.drop_file(live[at]) + e.new_file(number, size=64 << 20, fields=fields)
            live[at] = number
            number += 1
        size += len(edit)
        yield edit


def write_log(path: Path, payloads: Iterator[bytes]) -> None:
    """LogWriter keeps everything in memory; this one block at a time."""
    writer = e.LogWriter()
    with path.open("wb") as file:
        for payload in payloads:
            writer.add(payload)
            whole = len(writer.data) // BLOCK * BLOCK
            file.write(writer.data[:whole])
            del writer.data[:whole]
        file.write(writer.data)


def batches(total: int) -> Iterator[bytes]:
    for n in range(total // 2000):
        yield e.batch(n, 1, bytes(2000))


def prepare(work: Path, megabytes: int, files: int) -> None:
    write_log(work / "MANIFEST", edits(megabytes << 20))
    write_log(work / "MANIFEST-small", edits(2 << 20))
    write_log(work / "WAL", batches(megabytes << 20))
    write_log(work / "WAL-small", batches(20 << 20))
    (work / "tables").mkdir()
    (work / "links").mkdir()
    table = e.table(SST_PROPERTIES, version=6, before=100_000)
    for n in range(files):
        (work / "tables" / f"{n:06d}.sst").write_bytes(table)


def names(work: Path) -> list[str]:
    return sorted(os.listdir(work / "tables"))


def native_manifest(work: Path) -> float:
    replay = _native.ManifestReplay()
    with (work / "MANIFEST").open("rb") as file:
        replay.feed(file.fileno())
        assert len(replay.tables()) == LIVE_FILES
        assert replay.state == _native.CLEAN
        return replay.offset / 1e6


def twin_manifest(work: Path) -> float:
    twin = ManifestTwin()
    twin.feed((work / "MANIFEST-small").read_bytes())
    assert len(twin.tables()) == LIVE_FILES
    return twin.offset / 1e6


def native_wal(work: Path) -> float:
    with (work / "WAL").open("rb") as file:
        return _native.scan_wal(file.fileno(), 1)[0] / 1e6


def twin_wal(work: Path) -> float:
    return scan_wal_twin((work / "WAL-small").read_bytes(), 1)[0] / 1e6


def native_identities(work: Path) -> float:
    found = _native.table_identities(-100, [f"{work}/tables/{name}" for name in names(work)])
    assert not any(status for status, *_ in found)
    return len(found)


def twin_identities(work: Path) -> float:
    found = [identity(work / "tables" / name) for name in names(work)[:1000]]
    assert not any(status for status, *_ in found)
    return len(found)


def native_stat(work: Path) -> float:
    return len(_native.stat_files(-100, [f"{work}/tables/{name}" for name in names(work)]))


def twin_stat(work: Path) -> float:
    return len([transfer_twin.stat_file(-100, f"{work}/tables/{name}") for name in names(work)])


def linked(work: Path, run: Callable[[int, list[str], int, list[str]], list[int]]) -> float:
    from_dir, to_dir = os.open(work / "tables", os.O_RDONLY), os.open(work / "links", os.O_RDONLY)
    sources = names(work)
    assert not any(run(from_dir, sources, to_dir, sources))
    assert not any(_native.unlink_files(to_dir, sources))
    return 2 * len(sources)


def native_links(work: Path) -> float:
    return linked(work, _native.link_files)


def twin_link_files(src: int, sources: list[str], dst: int, targets: list[str]) -> list[int]:
    return transfer_twin.pairs(os_link, src, sources, dst, targets)


def os_link(src: int, source: str, dst: int, target: str) -> None:
    os.link(source, target, src_dir_fd=src, dst_dir_fd=dst)


def twin_links(work: Path) -> float:
    return linked(work, twin_link_files)


CASES: dict[str, tuple[str, Callable[[Path], float], Callable[[Path], float]]] = {
    "MANIFEST replay": ("MB", native_manifest, twin_manifest),
    "WAL scan": ("MB", native_wal, twin_wal),
    "table identities": ("files", native_identities, twin_identities),
    "stat": ("files", native_stat, twin_stat),
    "link and unlink": ("calls", native_links, twin_links),
}


def child(case: str, which: str, work: Path) -> None:
    start = time.perf_counter()
    _, native, twin = CASES[case]
    amount = (twin if which == "twin" else native)(work)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"amount": amount, "seconds": seconds, "peak": peak}))


def measure(case: str, which: str, work: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", case, which, str(work)]
    best: dict[str, float] | None = None
    for _ in range(3 if which == "native" else 1):
        found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        best = found if best is None or found["seconds"] < best["seconds"] else best
    assert best is not None
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=250, help="size of the MANIFEST and of the WAL")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--child", nargs=3, metavar=("CASE", "WHICH", "DIRECTORY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], options.child[1], Path(options.child[2]))
        return
    with tempfile.TemporaryDirectory(prefix="walrus-bench-") as directory:
        work = Path(directory)
        prepare(work, options.megabytes, options.files)
        print(f"| work | amount | native s | native/s | twin/s | ratio | peak MiB |\n|{'---|' * 7}")
        for case, (unit, _, _) in CASES.items():
            ours, theirs = measure(case, "native", work), measure(case, "twin", work)
            rate, twin_rate = ours["amount"] / ours["seconds"], theirs["amount"] / theirs["seconds"]
            figures = f"{ours['amount']:.0f} {unit} | {ours['seconds']:.2f} | {rate:.0f} | {twin_rate:.1f}"
            print(f"| {case} | {figures} | {rate / twin_rate:.0f} | {ours['peak']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
