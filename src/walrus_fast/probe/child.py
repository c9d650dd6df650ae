"""Inside the probe's process: the only place of walrus-fast that loads RocksDB to look at backups.

Says each step before it takes it, so that the parent knows where a crash happened. Ends when the parent does.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import msgspec
from rocksdict import AccessType, DBPath, Options, Rdict, ReadOptions

from walrus_fast import _native
from walrus_fast.probe.messages import (
    FamilyRead,
    ProbeEnd,
    ProbeFailure,
    ProbePace,
    ProbeProgress,
    ProbeRequest,
    ProbeStep,
)
from walrus_fast.probe.stand_ins import BYTEWISE, KNOWN_COMPARATORS, stand_in_options

if TYPE_CHECKING:
    from walrus_fast.probe.messages import ProbeMessage

__all__ = ["main"]

_SAY_EVERY = 0.2  # seconds between words about progress; the parent takes long silence for a hang
_ROWS_BETWEEN_LOOKS = 64
_BYTES_BETWEEN_LOOKS = 1 << 20
_READ_AHEAD = 2 << 20
_SPARE_DESCRIPTORS = 64
_LONGEST_NAP = 0.2


def main() -> NoReturn:
    """Ends with status 0 when everything was said, whatever it was, and with 1 when the probe itself could not work.

    Always by `os._exit`: neither RocksDB's destructors nor a thread that still reads may turn that into a crash.
    """
    try:
        _work()
    except Exception:  # noqa: BLE001  (the last line of defence; the parent tells it from a crash of RocksDB)
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _work() -> None:
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints is no message
    _be_modest()
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=ProbeRequest)
    probe = _Probe(request, channel)
    threading.Thread(target=_follow, args=(probe,), daemon=True).start()
    probe.run()


def _be_modest() -> None:
    """No core dumps, the first to go when memory runs out, low priority, as many files as we may open."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        Path("/proc/self/oom_score_adj").write_text("1000\n")
        _native.lower_priority(10, 2, 7)  # nice 10, best effort, its lowest level
    except OSError:
        pass  # a container may forbid it; the probe is only less polite


def _follow(probe: _Probe) -> None:
    """Take new rates from the parent; its end is ours."""
    for line in sys.stdin.buffer:
        probe.rate = msgspec.json.decode(line, type=ProbePace).rate
    os._exit(1)


class _Probe:
    def __init__(self, request: ProbeRequest, channel: BinaryIO) -> None:
        self._request = request
        self._channel = channel
        self._rows = self._bytes = 0
        self._said = self._due = time.monotonic()
        self.rate = request.rate

    def run(self) -> None:
        kinds = self._stand_ins()
        self._say(ProbeStep("opening the database"))
        started = time.monotonic()
        try:
            database = self._open(kinds)
        except Exception as exc:  # noqa: BLE001  (rocksdict raises bare Exception; it is the finding)
            self._say(ProbeFailure(str(exc)))
            return
        opened = time.monotonic()
        for family in self._request.families:
            self._say(self._read(database, family.name) if self._request.rows else FamilyRead(family.name))
        sequence = database.latest_sequence_number()
        self._say(ProbeEnd(sequence, opened - started, time.monotonic() - opened))

    def _stand_ins(self) -> dict[str, Options]:
        folder = self._request.options_folder
        (Path(folder) / "OPTIONS-000001").write_text(stand_in_options())
        return Options.load_latest(folder)[1]

    def _open(self, kinds: dict[str, Options]) -> Rdict:
        request = self._request
        options = Options(raw_mode=True)
        # RocksDB 9.8 reads beyond its list of paths, and crashes, when a path id has no entry in it.
        options.set_db_paths([DBPath(request.database, 1 << 60) for _ in range(max(1, request.data_folders))])
        options.set_wal_dir(request.database)
        options.set_paranoid_checks(True)
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        tables = len(os.listdir(request.database))
        options.set_max_open_files(-1 if tables < soft - _SPARE_DESCRIPTORS else soft - _SPARE_DESCRIPTORS)
        families = {}
        for family in request.families:
            comparator = KNOWN_COMPARATORS[family.comparator]
            families[family.name] = kinds["default" if comparator == BYTEWISE else comparator]
        return Rdict(request.database, options, families, AccessType.read_only(False))

    def _read(self, database: Rdict, name: str) -> FamilyRead:
        """Every row, every block on the way with its checksum; blob records with theirs."""
        self._say(ProbeStep(f"reading column family {name}"))
        rows_before, bytes_before = self._rows, self._bytes
        error = ""
        try:
            family = database if name == "default" else database.get_column_family(name)
            self._scan(family)
        except Exception as exc:  # noqa: BLE001  (rocksdict raises bare Exception; it is the finding)
            error = str(exc)
        return FamilyRead(name, self._rows - rows_before, self._bytes - bytes_before, error)

    def _scan(self, family: Rdict) -> None:
        options = ReadOptions()
        options.set_verify_checksums(True)
        options.set_total_order_seek(True)
        options.set_readahead_size(_READ_AHEAD)
        cursor = family.iter(options)
        cursor.seek_to_first()
        rows = size = 0
        while cursor.valid():
            size += len(cursor.key()) + len(cursor.value())
            rows += 1
            if rows == _ROWS_BETWEEN_LOOKS or size >= _BYTES_BETWEEN_LOOKS:
                self._count(rows, size)
                rows = size = 0
            cursor.next()
        self._count(rows, size)
        cursor.status()  # the iterator ends at an error as it does at the end

    def _count(self, rows: int, size: int) -> None:
        self._rows += rows
        self._bytes += size
        now = time.monotonic()
        if self.rate:
            self._due = max(self._due, now - 0.05) + size / self.rate
        while self.rate and (wait := self._due - now) > 0:
            self._tell(now)
            time.sleep(min(wait, _LONGEST_NAP))
            now = time.monotonic()
        self._tell(now)

    def _tell(self, now: float) -> None:
        if now - self._said >= _SAY_EVERY:
            self._said = now
            self._say(ProbeProgress(self._rows, self._bytes))

    def _say(self, message: ProbeMessage) -> None:
        self._channel.write(msgspec.json.encode(message) + b"\n")
