"""Table files as RocksDB before 6.12 wrote them, which gave them no session id."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import xxhash

from tests.oracle.log import masked_crc
from tests.oracle.table import identity, properties_block

if TYPE_CHECKING:
    from pathlib import Path

_KEY, _UNKNOWN = b"session.identity", b"sessiom.identity"
_CRC32C, _XXH3 = 1, 4
_FOOTER = 53


def without_session_ids(ldb: str, database: Path) -> Path:
    """Rewrite every table of a closed database: the property of the session id gets a name that nobody knows, its
    block a right checksum. `ldb repair` then makes a MANIFEST that has no unique ids of the tables either."""
    for path in database.glob("*.sst"):
        data = bytearray(path.read_bytes())
        at = data.index(_KEY)
        data[at : at + len(_KEY)] = _UNKNOWN
        _reseal_properties(data)
        path.write_bytes(data)
        assert identity(path)[:2] == (0, "")
    for path in database.glob("OPTIONS-*"):
        path.unlink()  # of a newer version than the tool's
    done = subprocess.run([ldb, "repair", f"--db={database}"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    assert "Failed" not in done.stdout + done.stderr, done
    return database


def _reseal_properties(data: bytearray) -> None:
    """The checksum of a block, of format version 5: over its contents and the byte of its compression."""
    block = properties_block(bytes(data))
    assert block is not None
    end = block[0] + block[1]
    contents, kind = bytes(data[block[0] : end]), data[end]
    if data[-_FOOTER] == _CRC32C:
        checksum = masked_crc(contents + bytes([kind]))
    else:
        assert data[-_FOOTER] == _XXH3, "a kind of checksum that these tests do not write"
        # RocksDB's ComputeBuiltinChecksumWithLastByte: the last byte is mixed in afterwards.
        checksum = xxhash.xxh3_64_intdigest(contents) & 0xFFFFFFFF ^ kind * 0x6B9083D9 & 0xFFFFFFFF
    data[end + 1 : end + 5] = checksum.to_bytes(4, "little")
