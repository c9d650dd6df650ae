"""A database with a MANIFEST of 500 MB, nearly all of it history: what reading it costs in time and memory.

The names of its few files are real; the database that RocksDB would find is not, and nobody opens it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import ours
from bench.cases.stage import OURS, Aim
from bench.contest import Contender, Contest
from bench.databases import remove
from bench.measure import CommandFailed, Run
from bench.peers.coreutils import cat
from bench.peers.native import write_log
from tests.oracle import encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["build_manifest", "replay"]

_PEAK_MIB = 100
_HELD = 100_000  # live files at any time: each edit replaces one by the next
_NAME = "MANIFEST-000005"


def build_manifest(folder: Path, size: int) -> None:
    """Write CURRENT and the MANIFEST: 100,000 live files, replaced again and again, all dropped at the end."""
    folder.mkdir(parents=True)
    write_log(folder / _NAME, _edits(size))
    (folder / "CURRENT").write_text(f"{_NAME}\n")


def _edits(size: int) -> Iterator[bytes]:
    fields = [(5, encode.varint(1 << 31)), (6, encode.varint(1 << 31)), (12, bytes(16)), (15, encode.varint(999))]
    yield encode.header()
    number, written, batch = 100, 0, 50
    while written < size:
        added = b"".join(encode.new_file(n, size=64 << 20, fields=fields) for n in range(number, number + batch))
        old = range(max(100, number - _HELD), max(100, number - _HELD + batch)) if number - _HELD >= 100 else ()
        edit = encode.tagged(3, number + batch) + encode.tagged(4, number) + added
        edit += b"".join(encode.drop_file(n) for n in old)
        number += batch
        written += len(edit)
        yield edit
    live = range(max(100, number - _HELD), number)
    for first in range(live.start, live.stop, 1000):
        yield b"".join(encode.drop_file(n) for n in range(first, min(first + 1000, live.stop)))


def replay(folder: Path, target: Path) -> Contest:
    """`checkpoint create`: the MANIFEST is replayed, copied and checksummed; pinning is the replay."""

    def check(run: Run) -> None:
        if run.peak_kib > _PEAK_MIB << 10:
            raise CommandFailed(f"{run.peak_kib >> 10} MiB of memory for a MANIFEST, {_PEAK_MIB} allowed")

    return Contest(
        key="manifest",
        title=f"Backup of a database with a MANIFEST of {(folder / _NAME).stat().st_size / 1e6:.0f} MB",
        contenders=[
            Contender(
                OURS,
                lambda: ours.create(folder, target, "--no-sync"),
                lambda: remove(target),
                check,
                lambda: remove(target),
            ),
            Contender("cat > /dev/null", lambda: cat(folder)),
        ],
        reads=[folder],
        aims=[Aim(OURS, limit=3.0, basis="process")],
        note=f"A run fails when the peak of memory is above {_PEAK_MIB} MiB.",
    )
