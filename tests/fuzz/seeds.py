"""Seeds for the targets: files of databases that RocksDB made, in the form that each target reads."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.native.make_database import SHAPES
from tests.oracle.log import FIRST, FULL, WITH_LOG_NUMBER, LogEndError, LogReader, masked_crc

if TYPE_CHECKING:
    from collections.abc import Iterator

MAKER = Path(__file__).parents[1] / "native" / "make_database.py"
_RECORDS = 40  # of each MANIFEST, as inputs of their own
_LOG = 68_000  # a little more than two blocks


def make_databases(folder: Path, seed: int) -> list[Path]:
    """One database of each shape, closed."""
    made = []
    for shape in SHAPES:
        path = folder / shape
        command = [sys.executable, str(MAKER), str(path), str(seed), shape]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, cwd=MAKER.parents[2])
        made.append(path)
    return made


def seeds_of(database: Path) -> Iterator[tuple[str, bytes]]:
    """(target, input)"""
    for path in sorted(database.iterdir()):
        if path.name.startswith("MANIFEST"):
            yield from _of_manifest(path.read_bytes())
        elif path.suffix == ".log" and path.stat().st_size:
            data = blanked(path.read_bytes())
            number = int(path.stem) & 0xFF
            for size in (1500, _LOG):
                yield "wal", bytes([number]) + data[:size]
                yield "log_reader", bytes([1, number]) + data[:size]
        elif path.suffix == ".sst":
            data = path.read_bytes()
            yield "crc32c", data[:3000]
            if len(data) < 19_000:
                yield "table", data


def blanked(wal: bytes) -> bytes:
    """The same records without the rows in them: random values would make the kept corpus ten times as large."""
    data = bytearray(wal)
    reader = LogReader(wal, is_wal=True, log_number=int.from_bytes(wal[7:11], "little"))
    try:
        while True:
            fragment = reader.next_fragment()
            header = 11 if wal[fragment.start + 6] in WITH_LOG_NUMBER else 7
            kept = fragment.start + header + (12 if fragment.kind in (FULL, FIRST) else 0)
            data[kept : fragment.end] = bytes(max(fragment.end - kept, 0))
            checksum = masked_crc(bytes(data[fragment.start + 6 : fragment.end]))
            data[fragment.start : fragment.start + 4] = checksum.to_bytes(4, "little")
    except LogEndError:
        return bytes(data)


def _of_manifest(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "manifest", (len(data) // 2 & 0xFFFF).to_bytes(2, "little") + data[:_LOG]
    yield "log_reader", b"\0\0" + data[:_LOG]
    reader = LogReader(data)
    try:
        for count, record in enumerate(reader.records()):
            if count >= _RECORDS:
                return
            yield "edit", record.payload[:4096]
    except LogEndError:
        return  # the end of the log


def write_seeds(databases: list[Path], folder: Path) -> None:
    """Into `folder/<target>/`, named by their contents."""
    for database in databases:
        for target, data in seeds_of(database):
            place = folder / target
            place.mkdir(parents=True, exist_ok=True)
            (place / hashlib.sha1(data).hexdigest()).write_bytes(data)
