"""`.walrus-fast/manifests/<id>`: comes back as it was, and any change of a byte is noticed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walrus_fast.checksum import digest
from walrus_fast.errors import BackupDamaged
from walrus_fast.methods import Method
from walrus_fast.repository.manifest import MAGIC, BackupManifest, StoredFile, decode_manifest, encode_manifest

MANIFEST = BackupManifest(
    backup_id=7,
    created=1767225600.5,
    tool="walrus-fast 0.1.0",
    database="/opt/walrus/db",
    database_id="c0ffee",
    captured_sequence=61165,
    sequence_is_exact=True,
    families=("default", "ümläut"),
    wal_dir=None,
    rounds=1,
    pin_seconds=0.002,
    meta_digest=bytes(16),
    files=(StoredFile("private/7/CURRENT", 16, 1, bytes(16), Method.COPY, 0, 0),),
)
manifests = st.builds(
    BackupManifest,
    backup_id=st.integers(1, 1 << 60),
    created=st.floats(0, 1e12),
    tool=st.text(max_size=20),
    database=st.text(max_size=20),
    database_id=st.text(max_size=40),
    captured_sequence=st.integers(0, 1 << 56),
    sequence_is_exact=st.booleans(),
    families=st.lists(st.text(max_size=10), max_size=4).map(tuple),
    wal_dir=st.none() | st.text(max_size=10),
    rounds=st.integers(1, 1000),
    pin_seconds=st.floats(0, 1e6),
    meta_digest=st.binary(min_size=16, max_size=16),
    files=st.lists(
        st.builds(
            StoredFile,
            path=st.text(max_size=30),
            size=st.integers(0, 1 << 62),
            crc32c=st.integers(0, (1 << 32) - 1),
            xxh3=st.binary(max_size=16),
            method=st.sampled_from(Method),
            source_inode=st.integers(0, (1 << 64) - 1),
            source_mtime_ns=st.integers(0, 1 << 62),
        ),
        max_size=3,
    ).map(tuple),
)


@given(manifests)
def test_what_is_written_is_read(manifest: BackupManifest) -> None:
    assert decode_manifest(encode_manifest(manifest), "m") == manifest


@given(st.binary(max_size=200))
def test_garbage_is_damage(data: bytes) -> None:
    with pytest.raises(BackupDamaged, match="manifests/7 is damaged"):
        decode_manifest(data, "manifests/7")


@given(st.data())
def test_any_flipped_bit_is_noticed(data: st.DataObject) -> None:
    encoded = bytearray(encode_manifest(MANIFEST))
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BackupDamaged):
        decode_manifest(bytes(encoded), "m")


def test_any_cut_is_noticed() -> None:
    encoded = encode_manifest(MANIFEST)
    for length in range(len(encoded)):
        with pytest.raises(BackupDamaged):
            decode_manifest(encoded[:length], "m")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_something_else_with_a_right_checksum_is_damage(value: object) -> None:
    try:
        body = MAGIC + msgspec.msgpack.encode(value)
    except OverflowError:
        return  # more than 64 bits: msgpack has no such number
    with pytest.raises(BackupDamaged):
        decode_manifest(body + digest(body), "m")


def test_fields_of_a_newer_version_are_ignored() -> None:
    body = MAGIC + msgspec.msgpack.encode({**msgspec.to_builtins(MANIFEST, builtin_types=(bytes,)), "colour": "blue"})
    assert decode_manifest(body + digest(body), "m") == MANIFEST
