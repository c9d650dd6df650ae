"""One function of the C part, or its readable twin of `tests/oracle`, on prepared files: a process for each figure.

python -m bench.peers.native CASE native|twin FOLDER prints {"seconds": ...} for the whole amount of work. The twin does
a part of it where all would take minutes; its seconds are then those of the part, times as many.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.oracle import encode as e
from tests.oracle import transfer as twin
from tests.oracle.log import BLOCK
from tests.oracle.manifest import ManifestTwin
from tests.oracle.table import identity
from tests.oracle.wal import scan_wal as scan_wal_twin
from walrus_fast import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Pairs = Callable[[int, Sequence[str], int, Sequence[str]], list[int]]
    Singles = Callable[[int, Sequence[str]], list[int]]

__all__ = ["CASES", "FILES", "prepare", "write_log"]

MEGABYTES, FILES = 250, 20_000
_SEED = 11
_LIVE_FILES = 100_000
_TWIN_TABLES = 1000
_PROPERTIES = {
    "rocksdb.creating.session.identity": b"ABCDEFGHIJ0123456789",
    "rocksdb.creating.db.identity": b"81b9ea71-9940-4018-b4c9-329492de0ba5",
    "rocksdb.original.file.number": e.varint(1234),
    **{f"rocksdb.other.property.{n:02}": bytes(30) for n in range(40)},
}


def _edits(total: int) -> Iterator[bytes]:
    """Like a long-lived database: 100,000 files at once, then compactions that replace some by others."""
    rng = random.Random(_SEED)
    fields = [(5, e.varint(1 << 31)), (6, e.varint(1 << 31)), (13, e.varint(9)), (12, bytes(16)), (15, e.varint(999))]
    live = list(range(100, 100 + _LIVE_FILES))
    yield e.header() + b"".join(e.new_file(n, size=64 << 20, fields=fields) for n in live)
    number, size = 100 + _LIVE_FILES, 0
    while size < total:
        edit = e.tagged(3, number) + e.tagged(4, number * 7)
        for at in rng.sample(range(len(live)), 10):
            edit += e.drop_file(live[at]) + e.new_file(number, size=64 << 20, fields=fields)
            live[at] = number
            number += 1
        size += len(edit)
        yield edit


def write_log(path: Path | str, payloads: Iterator[bytes]) -> None:
    """LogWriter keeps everything in memory; this one block at a time."""
    writer = e.LogWriter()
    with Path(path).open("wb") as file:
        for payload in payloads:
            writer.add(payload)
            whole = len(writer.data) // BLOCK * BLOCK
            file.write(writer.data[:whole])
            del writer.data[:whole]
        file.write(writer.data)


def _batches(total: int) -> Iterator[bytes]:
    for n in range(total // 2000):
        yield e.batch(n, 1, bytes(2000))


def prepare(work: str) -> None:
    """Write what the cases read, into a new folder."""
    for folder in ("", "tables", "links"):
        os.makedirs(f"{work}/{folder}")
    write_log(f"{work}/MANIFEST", _edits(MEGABYTES << 20))
    write_log(f"{work}/MANIFEST-small", _edits(2 << 20))
    write_log(f"{work}/WAL", _batches(MEGABYTES << 20))
    write_log(f"{work}/WAL-small", _batches(20 << 20))
    table = e.table(_PROPERTIES, version=6, before=100_000)
    for n in range(FILES):
        with Path(f"{work}/tables/{n:06d}.sst").open("wb") as file:
            file.write(table)


class _Folders:
    def __init__(self, work: str) -> None:
        self.tables, self.links = (os.open(f"{work}/{name}", os.O_RDONLY) for name in ("tables", "links"))
        self.names = sorted(os.listdir(self.tables))
        self.others = [f"x{name}" for name in self.names]
        for name in os.listdir(self.links):
            os.unlink(name, dir_fd=self.links)

    def link(self) -> None:
        assert not any(_native.link_files(self.tables, self.names, self.links, self.names))


def _clock(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _replay(work: str) -> float:
    replay = _native.ManifestReplay()
    with Path(f"{work}/MANIFEST").open("rb") as file:
        seconds = _clock(lambda: replay.feed(file.fileno()))
    assert len(replay.tables()) == _LIVE_FILES
    return seconds


def _replay_twin(work: str) -> float:
    replay = ManifestTwin()
    with Path(f"{work}/MANIFEST-small").open("rb") as file:
        data = file.read()
    seconds = _clock(lambda: replay.feed(data))
    assert len(replay.tables()) == _LIVE_FILES
    return seconds * os.path.getsize(f"{work}/MANIFEST") / len(data)


def _wal(work: str) -> float:
    with Path(f"{work}/WAL").open("rb") as file:
        return _clock(lambda: _native.scan_wal(file.fileno(), 1))


def _wal_twin(work: str) -> float:
    with Path(f"{work}/WAL-small").open("rb") as file:
        data = file.read()
    return _clock(lambda: scan_wal_twin(data, 1)) * os.path.getsize(f"{work}/WAL") / len(data)


def _identities(work: str) -> float:
    folders = _Folders(work)
    return _clock(lambda: _native.table_identities(folders.tables, folders.names))


def _identities_twin(work: str) -> float:
    paths = [Path(work, "tables", name) for name in _Folders(work).names[:_TWIN_TABLES]]
    return _clock(lambda: [identity(path) for path in paths]) * FILES / _TWIN_TABLES


def _stat(work: str) -> float:
    folders = _Folders(work)
    return _clock(lambda: _native.stat_files(folders.tables, folders.names))


def _stat_twin(work: str) -> float:
    folders = _Folders(work)
    return _clock(lambda: [twin.stat_file(folders.tables, name) for name in folders.names])


def _linking(function: Pairs) -> Callable[[str], float]:
    def run(work: str) -> float:
        folders = _Folders(work)
        return _clock(lambda: function(folders.tables, folders.names, folders.links, folders.names))

    return run


def _renaming(function: Pairs) -> Callable[[str], float]:
    def run(work: str) -> float:
        folders = _Folders(work)
        folders.link()
        return _clock(lambda: function(folders.links, folders.names, folders.links, folders.others))

    return run


def _on_links(function: Singles, share: int = 1) -> Callable[[str], float]:
    def run(work: str) -> float:
        folders = _Folders(work)
        folders.link()
        return share * _clock(lambda: function(folders.links, folders.names[:: share or 1]))

    return run


def _twin_pairs(one: twin.Pair) -> Pairs:
    return lambda src, names, dst, to: twin.pairs(one, src, list(names), dst, list(to))


def _twin_singles(one: twin.Single) -> Singles:
    return lambda directory, names: twin.singles(one, directory, list(names))


# What Python has no call for (renameat2, ioprio_set, mincore) or cannot do to many files at once is not compared here.
CASES: dict[str, tuple[str, Callable[[str], float], Callable[[str], float]]] = {
    "manifest": (f"Replay of a MANIFEST of {MEGABYTES} MiB", _replay, _replay_twin),
    "wal": (f"Scan of a WAL of {MEGABYTES} MiB", _wal, _wal_twin),
    "identities": (f"Identities of {FILES:,} tables", _identities, _identities_twin),
    "stat": (f"Stat of {FILES:,} files", _stat, _stat_twin),
    "link": (f"{FILES:,} hard links", _linking(_native.link_files), _linking(_twin_pairs(twin.link))),
    "rename": (f"{FILES:,} renames", _renaming(_native.rename_files), _renaming(_twin_pairs(twin.rename))),
    "unlink": (f"{FILES:,} files removed", _on_links(_native.unlink_files), _on_links(_twin_singles(twin.unlink))),
    "sync": (
        f"fsync of {FILES:,} new links, one thread",
        _on_links(_native.sync_files, 40),
        _on_links(_twin_singles(twin.sync), 40),
    ),
}


def main(case: str, which: str, work: str) -> None:
    """Print the figure."""
    _, native, in_python = CASES[case]
    print(json.dumps({"seconds": float((in_python if which == "twin" else native)(work))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
