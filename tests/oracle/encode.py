"""Writes MANIFEST, WAL and table bytes the way RocksDB does, and in ways that it never would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.oracle.log import BLOCK, masked_crc

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def prefixed(data: bytes) -> bytes:
    return varint(len(data)) + data


def tagged(tag: int, *values: int | bytes) -> bytes:
    """A tag, then numbers as varints and bytes with their length."""
    return varint(tag) + b"".join(prefixed(value) if isinstance(value, bytes) else varint(value) for value in values)


def physical(kind: int, payload: bytes, log_number: int | None = None) -> bytes:
    number = b"" if log_number is None else (log_number & 0xFFFFFFFF).to_bytes(4, "little")
    checked = bytes([kind]) + number + payload
    return masked_crc(checked).to_bytes(4, "little") + len(payload).to_bytes(2, "little") + checked


class LogWriter:
    def __init__(self, log_number: int | None = None) -> None:
        self.log_number = log_number  # None: not recyclable
        self.data = bytearray()
        self.ends: list[int] = []  # of logical records

    def room(self) -> int:
        return BLOCK - len(self.data) % BLOCK

    def add(self, payload: bytes) -> LogWriter:
        header = 7 if self.log_number is None else 11
        base = 0 if self.log_number is None else 4
        first = True
        rest = memoryview(payload)
        while True:
            if self.room() < header:
                self.data += bytes(self.room())
            part, rest = bytes(rest[: self.room() - header]), rest[self.room() - header :]
            last = not rest
            kind = {(True, True): FULL, (True, False): FIRST, (False, False): MIDDLE, (False, True): LAST}
            self.data += physical(kind[first, last] + base, part, self.log_number)
            first = False
            if last:
                break
        self.ends.append(len(self.data))
        return self

    def metadata(self, kind: int, payload: bytes) -> LogWriter:
        numbered = self.log_number if kind in (11, 131) else None
        if self.room() < (11 if numbered is not None else 7) + len(payload):
            self.data += bytes(self.room())
        self.data += physical(kind, payload, numbered)
        self.ends.append(len(self.data))
        return self

    def raw(self, data: bytes) -> LogWriter:
        self.data += data
        return self


def log_of(payloads: Iterable[bytes]) -> bytes:
    writer = LogWriter()
    for payload in payloads:
        writer.add(payload)
    return bytes(writer.data)


def batch(sequence: int, count: int, rest: bytes = b"") -> bytes:
    return sequence.to_bytes(8, "little") + count.to_bytes(4, "little") + rest


KEY = b"key" + bytes(8)


def new_file(
    number: int, *, level: int = 0, size: int = 1000, fields: Sequence[tuple[int, bytes]] = (), tag: int = 103
) -> bytes:
    path = [0] if tag == 102 else []
    sequences = [] if tag == 7 else [1, 2]
    head = tagged(tag, level, number, *path, size, KEY, KEY, *sequences)
    if tag != 103:
        return head
    return head + b"".join(tagged(field, value) for field, value in fields) + varint(1)


def drop_file(number: int, *, level: int = 0) -> bytes:
    return tagged(6, level, number)


def new_blob(number: int, count: int = 10, size: int = 1000, *, tag: int = 400) -> bytes:
    return tagged(tag, number, count, size, b"", b"", 0)


def garbage(number: int, count: int, size: int, *, tag: int = 401) -> bytes:
    return tagged(tag, number, count, size, 0)


def family(number: int, payload: bytes = b"") -> bytes:
    return payload + tagged(200, number)


def add_family(number: int, name: str, comparator: str = "leveldb.BytewiseComparator") -> bytes:
    return family(number, tagged(1, comparator.encode())) + tagged(201, name.encode())


def drop_family(number: int) -> bytes:
    return family(number) + tagged(202)


def grouped(payload: bytes, remaining: int) -> bytes:
    return payload + tagged(300, remaining)


def wal_added(number: int, size: int | None = None, *, tag: int = 8199) -> bytes:
    inner = varint(number) + (b"" if size is None else tagged(2, size)) + varint(1)
    return varint(tag) + (prefixed(inner) if tag == 8199 else inner)


def wals_deleted(before: int, *, tag: int = 8200) -> bytes:
    inner = varint(before)
    return varint(tag) + (prefixed(inner) if tag == 8200 else inner)


def header(db_id: str = "id", next_file: int = 100, sequence: int = 7) -> bytes:
    return tagged(8193, db_id.encode()) + tagged(2, 3) + tagged(3, next_file) + tagged(4, sequence)


def block(entries: Iterable[tuple[bytes, bytes]], restarts: int = 1) -> bytes:
    out = bytearray()
    last = b""
    for key, value in entries:
        shared = 0
        while shared < min(len(last), len(key)) and last[shared] == key[shared]:
            shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return bytes(out) + bytes(4 * restarts) + restarts.to_bytes(4, "little")


def table(
    properties: dict[str, bytes] | None,
    *,
    version: int = 5,
    magic: int = 0x88E241B785F4CFF7,
    before: int = 0,
    gap: int = 0,
    compression: int = 0,
) -> bytes:
    """`before` zero bytes instead of data blocks, the properties, `gap` zero bytes, metaindex and footer."""
    old = magic in (0xDB4775248B80FB57, 0x4F3418EB7A8F13B8)
    has_trailers = magic in (0x88E241B785F4CFF7, 0xDB4775248B80FB57)
    trailer = bytes([compression]) + bytes(4) if has_trailers else b""
    data = bytes(before)
    index: list[tuple[bytes, bytes]] = []
    if properties is not None:
        content = block(sorted((key.encode(), value) for key, value in properties.items()))
        index = [(b"rocksdb.properties", varint(before) + varint(len(content)))]
        data += content + trailer + bytes(gap)
    metaindex = block(index)
    offset = len(data)
    data += metaindex + (bytes(5) if has_trailers else b"")
    handles = (varint(offset) + varint(len(metaindex)) + varint(0) + varint(0)).ljust(40, b"\0")
    if old:
        return data + handles + magic.to_bytes(8, "little")
    if version >= 6:
        handles = (b"\x3e\x00\x7a\x00" + bytes(8) + len(metaindex).to_bytes(4, "little")).ljust(40, b"\0")
    return data + b"\1" + handles + version.to_bytes(4, "little") + magic.to_bytes(8, "little")
