"""Both checksums in one pass over the bytes.

crc32c is what RocksDB's backups carry; xxh3-128 is ours: 32 bits cannot tell 2,000 random flips from luck.
"""

from __future__ import annotations

from typing import TypeAlias

import crc32c
import xxhash

__all__ = ["BUFFER_BYTES", "Checksums", "checksums_of", "digest"]

Buffer: TypeAlias = bytes | bytearray | memoryview

# Fits the second-level cache with room to spare: the second checksum reads what the first has brought there.
BUFFER_BYTES = 256 << 10


class Checksums:
    """Running crc32c and xxh3-128."""

    __slots__ = ("_crc", "_xxh3")

    def __init__(self) -> None:
        self._crc = 0
        self._xxh3 = xxhash.xxh3_128()

    def update(self, data: Buffer) -> None:
        """Take more bytes. The interpreter lock is released for large buffers."""
        self._crc = crc32c.crc32c(data, self._crc)
        self._xxh3.update(data)

    @property
    def crc32c(self) -> int:
        """RocksDB's checksum, as the unsigned number that its meta files hold."""
        return self._crc

    @property
    def xxh3(self) -> bytes:
        """16 bytes."""
        return self._xxh3.digest()


def checksums_of(data: Buffer) -> tuple[int, bytes]:
    """(crc32c, xxh3-128) of bytes in memory."""
    return crc32c.crc32c(data), digest(data)


def digest(data: Buffer) -> bytes:
    """xxh3-128 of bytes in memory: 16 bytes."""
    return xxhash.xxh3_128_digest(data)
