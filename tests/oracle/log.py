"""The readable twin of native/log_reader.c: logical records of a MANIFEST or WAL that lies in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import crc32c

if TYPE_CHECKING:
    from collections.abc import Iterator

CLEAN, TORN, CORRUPT = 0, 1, 2
BLOCK = 32768
LARGEST = 1 << 30

FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
COMPRESSION, TIMESTAMPS = 9, 10
WITH_LOG_NUMBER = {5, 6, 7, 8, 11, 131}


class LogEndError(Exception):
    """No further record: the state, and what lies there."""

    def __init__(self, state: int, what: str = "", at: int = 0) -> None:
        super().__init__(f"{what} at {at}" if what else "")
        self.state = state


@dataclass
class Record:
    is_data: bool
    payload: bytes
    start: int
    end: int


@dataclass
class Fragment:
    kind: int
    payload: bytes
    start: int
    end: int


def masked_crc(data: bytes) -> int:
    crc = crc32c.crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def zero(data: bytes) -> bool:
    return data.count(0) == len(data)


@dataclass
class LogReader:
    data: bytes
    position: int = 0
    is_wal: bool = False
    log_number: int = 0
    recyclable: bool = False
    plain: bool = False
    compressed: bool = False
    data_records: int = 0
    parts: list[bytes] = field(default_factory=list)
    started: int | None = None  # where the unfinished record began

    def bad(self, what: str, at: int) -> LogEndError:
        return LogEndError(TORN if self.recyclable else CORRUPT, what, at)

    def end(self) -> LogEndError:
        if self.started is not None:
            return LogEndError(TORN, "unfinished record", self.started)
        return LogEndError(CLEAN)

    def zeros(self, at: int) -> LogEndError:
        if not zero(self.data[at:]):
            return self.bad("zeros with other data behind them", at)
        if self.started is not None or self.is_wal:
            return self.end()
        return LogEndError(TORN, "zero padding", at)

    def records(self) -> Iterator[Record]:
        """Ends by raising LogEndError."""
        while True:
            fragment = self.next_fragment()
            record = self.assemble(fragment)
            if record is not None:
                yield record

    def next_fragment(self) -> Fragment:
        while True:
            at = self.position
            rest = len(self.data) - at
            room = BLOCK - at % BLOCK
            if rest <= 0:
                raise self.end()
            if rest < 7 and rest <= room:
                if zero(self.data[at:]):
                    raise self.zeros(at)
                raise LogEndError(TORN, "incomplete record header", at)
            if room < 7:
                self.position += room
                continue
            if not zero(self.data[at : at + 7]):
                return self.fragment(at, room)
            padding = (room < 11 or (self.is_wal and room < BLOCK)) and self.started is None
            if not padding or rest <= room or not zero(self.data[at : at + room]):
                raise self.zeros(at)
            self.position += room

    def fragment(self, at: int, room: int) -> Fragment:
        data = self.data
        kind = data[at + 6]
        header = 7
        numbered = self.is_wal and kind in WITH_LOG_NUMBER
        if numbered:
            if self.plain and not self.recyclable:
                raise self.bad("recyclable record in a log that is not recyclable", at)
            self.recyclable = True
            header = 11
        end = at + header + int.from_bytes(data[at + 4 : at + 6], "little")
        if end > at + room and len(data) > at + room:
            raise self.bad("record longer than its block", at)
        if end > len(data):
            raise LogEndError(TORN, "incomplete record", at)
        if int.from_bytes(data[at : at + 4], "little") != masked_crc(data[at + 6 : end]):
            if zero(data[end:]):
                raise LogEndError(TORN, "checksum mismatch in the record", at)
            raise self.bad("checksum mismatch in the record", at)
        if numbered and int.from_bytes(data[at + 7 : at + 11], "little") != self.log_number & 0xFFFFFFFF:
            raise self.end()
        if kind in (FULL, FIRST, MIDDLE, LAST):
            self.plain = True
        if numbered and kind <= 8:
            kind -= 4
        self.position = end
        return Fragment(kind, data[at + header : end], at, end)

    def objection(self, fragment: Fragment) -> str | None:
        kind, waiting = fragment.kind, sum(map(len, self.parts))
        if kind in (FULL, FIRST):
            return "record begins inside another one" if self.started is not None and waiting else None
        if kind in (MIDDLE, LAST):
            if self.started is None:
                return "record without a beginning"
            too_long = waiting + len(fragment.payload) > LARGEST and not self.is_wal
            return "record too long" if too_long else None
        if kind < 128 and not (self.is_wal and 9 <= kind <= 11):
            return "record of unknown type"
        if self.started is not None:
            return "metadata record inside another one"
        if kind == COMPRESSION and (self.compressed or self.data_records):
            return "compression record behind other records"
        return None

    def assemble(self, fragment: Fragment) -> Record | None:
        problem = self.objection(fragment)
        if problem is not None:
            raise self.bad(problem, fragment.start)
        if fragment.kind not in (FULL, FIRST, MIDDLE, LAST):
            self.compressed = self.compressed or fragment.kind == COMPRESSION
            return Record(False, fragment.payload, fragment.start, fragment.end)
        self.data_records += 1
        if fragment.kind in (FULL, FIRST):
            self.parts = []
            self.started = fragment.start
        self.parts.append(fragment.payload)
        if fragment.kind not in (FULL, LAST):
            return None
        start = self.started
        assert start is not None
        self.started = None
        return Record(True, b"".join(self.parts), start, fragment.end)
