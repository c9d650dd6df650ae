"""The readable twin of native/wal.c."""

from __future__ import annotations

from tests.oracle.log import CORRUPT, TORN, LogEndError, LogReader


def scan_wal(data: bytes, log_number: int) -> tuple[int, int, int, int, int]:
    reader = LogReader(data, is_wal=True, log_number=log_number)
    complete = batches = 0
    last_sequence = -1
    try:
        for record in reader.records():
            if record.is_data:
                if not reader.compressed and len(record.payload) < 12:
                    raise LogEndError(TORN if reader.recyclable else CORRUPT, "short batch", record.start)
                batches += 1
                last_sequence = -1 if reader.compressed else last_of(record.payload)
            complete = record.end
    except LogEndError as end:
        flags = (1 if reader.compressed else 0) | (2 if reader.recyclable else 0)
        return complete, batches, last_sequence, end.state, flags
    raise AssertionError("a log always ends")


def last_of(batch: bytes) -> int:
    first, count = int.from_bytes(batch[:8], "little"), int.from_bytes(batch[8:12], "little")
    return (first + max(count, 1) - 1) % 2**64
