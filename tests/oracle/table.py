"""The readable twin of native/table.c: reads the whole file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.oracle.edit import Decoder, MissingError

if TYPE_CHECKING:
    from pathlib import Path

BLOCK_MAGIC, OLD_BLOCK_MAGIC = 0x88E241B785F4CFF7, 0xDB4775248B80FB57
PLAIN_MAGIC, OLD_PLAIN_MAGIC, CUCKOO_MAGIC = 0x8242229663BF9564, 0x4F3418EB7A8F13B8, 0x926789D0C5F17873

Identity = tuple[int, str, str, int]
NOT_A_TABLE: Identity = (-1, "", "", 0)
LARGEST_BLOCK = 64 << 20


class RefusedError(Exception):
    pass


def identity(path: Path) -> Identity:
    try:
        return identity_of(path.read_bytes())
    except (RefusedError, MissingError):
        return NOT_A_TABLE
    except OSError as exc:
        return (exc.errno or 0, "", "", 0)


def identity_of(data: bytes) -> Identity:
    _, trailer, end = _footer(data)
    block = properties_block(data)
    if block is None:
        return (0, "", "", 0)
    session = db = b""
    number = 0
    for key, value in _entries(data, block, trailer, end):
        if key == b"rocksdb.creating.session.identity":
            session = _short(value)
            if not re.fullmatch(rb"[0-9A-Za-z-]*", session):
                raise RefusedError
        elif key == b"rocksdb.creating.db.identity":
            db = _short(value)
        elif key == b"rocksdb.original.file.number":
            number = Decoder(value).varint(64)
    return (0, session.decode(), db.decode("utf-8", "surrogateescape"), number)


def properties_block(data: bytes) -> tuple[int, int] | None:
    """Offset and size of the block with the properties."""
    block = None
    metaindex, trailer, end = _footer(data)
    for key, value in _entries(data, metaindex, trailer, end):
        if key in PROPERTY_BLOCKS:  # the last one counts, but each must be a handle
            block = _handle(Decoder(value))
    return block


PROPERTY_BLOCKS = (b"rocksdb.properties", b"rocksdb.stats")


def _short(value: bytes) -> bytes:
    if len(value) > 256:
        raise RefusedError
    return value


def _handle(decoder: Decoder) -> tuple[int, int]:
    return decoder.varint(64), decoder.varint(64)


def _footer(data: bytes) -> tuple[tuple[int, int], int, int]:
    """The metaindex's handle, the size of block trailers, where the footer begins."""
    if len(data) < 48:
        raise RefusedError
    magic = int.from_bytes(data[-8:], "little")
    if magic in (OLD_BLOCK_MAGIC, OLD_PLAIN_MAGIC):
        footer = data[-48:]
        return _handle(Decoder(footer[:40])), 5 if magic == OLD_BLOCK_MAGIC else 0, len(data) - 48
    if magic not in (BLOCK_MAGIC, PLAIN_MAGIC, CUCKOO_MAGIC) or len(data) < 53:
        raise RefusedError
    trailer = 5 if magic == BLOCK_MAGIC else 0
    footer, end = data[-53:], len(data) - 53
    if int.from_bytes(footer[41:45], "little") < 6:
        return _handle(Decoder(footer[1:45])), trailer, end
    size = int.from_bytes(footer[13:17], "little")
    if footer[1:5] != b"\x3e\x00\x7a\x00" or size + trailer > end:
        raise RefusedError
    return (end - trailer - size, size), trailer, end


def _entries(data: bytes, block: tuple[int, int], trailer: int, end: int) -> list[tuple[bytes, bytes]]:
    offset, size = block
    if size > LARGEST_BLOCK or offset + size + trailer > end or (trailer and data[offset + size]) or size < 4:
        raise RefusedError
    content = data[offset : offset + size]
    restarts = int.from_bytes(content[-4:], "little")
    if restarts >> 28 or restarts * 4 + 4 > size:
        raise RefusedError
    decoder = Decoder(content[: size - 4 - restarts * 4])
    entries: list[tuple[bytes, bytes]] = []
    key = b""
    while decoder.at < len(decoder.data):
        shared, own, length = decoder.varint(32), decoder.varint(32), decoder.varint(32)
        if shared > len(key) or own + length > len(decoder.data) - decoder.at:
            raise RefusedError
        key = key[:shared] + decoder.data[decoder.at : decoder.at + own]
        entries.append((key, decoder.data[decoder.at + own : decoder.at + own + length]))
        decoder.at += own + length
    return entries
