"""`.walrus-fast/manifests/<id>`: what we know of a backup beyond RocksDB's meta.

Format: 8 bytes of magic, a msgpack map, the xxh3-128 of all before it (16 bytes). Fields may be added with
defaults; unknown ones are ignored, so older versions read newer manifests.
"""

from __future__ import annotations

import msgspec

from walrus_fast.checksum import digest
from walrus_fast.errors import BackupDamaged
from walrus_fast.methods import Method  # noqa: TC001  (msgspec resolves it at run time)
from walrus_fast.undecodable import UNDECODABLE

__all__ = ["BackupManifest", "StoredFile", "decode_manifest", "encode_manifest"]

MAGIC = b"WFMANIF1"
_DIGEST_BYTES = 16


class StoredFile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file of the backup. The `source_*` fields are the database file's stat when it was stored.

    They identify it again without reading: table and blob files never change, so same number, size, mtime and
    inode is the same file. Neither ctime nor link count is in it, which linking changes.
    """

    path: str
    size: int
    crc32c: int
    xxh3: bytes
    method: Method
    source_inode: int
    source_mtime_ns: int


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """`created` in seconds since 1970; `meta_digest` is the xxh3-128 of `meta/<id>`, which has none of its own.

    `synced`: every file was durable when the backup was made. Not known of backups that RocksDB made.
    """

    backup_id: int
    created: float
    tool: str
    database: str
    database_id: str
    captured_sequence: int
    sequence_is_exact: bool
    families: tuple[str, ...]
    wal_dir: str | None
    rounds: int
    pin_seconds: float
    meta_digest: bytes
    files: tuple[StoredFile, ...]
    synced: bool = False


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(BackupManifest)


def encode_manifest(manifest: BackupManifest) -> bytes:
    """The bytes of the manifest file."""
    body = MAGIC + _ENCODER.encode(manifest)
    return body + digest(body)


def decode_manifest(data: bytes, name: str) -> BackupManifest:
    """Parse and check; `name` is for messages.

    Raises: BackupDamaged.
    """
    body, checksum = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if not body.startswith(MAGIC) or digest(body) != checksum:
        raise BackupDamaged(f"{name} is damaged: its checksum does not match")
    try:
        return _DECODER.decode(memoryview(body)[len(MAGIC) :])
    except UNDECODABLE as exc:
        raise BackupDamaged(f"{name} is damaged: {exc}") from exc
