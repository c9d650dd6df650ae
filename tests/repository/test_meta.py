"""`meta/<id>`: what RocksDB wrote is read, what we write RocksDB reads, garbage is damage and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from walrus_fast.errors import BackupDamaged
from walrus_fast.repository.meta import BackupMeta, MetaFile, decode_meta, encode_meta

SCHEMA_1 = b"""1767225600
61165
2
shared_checksum/000102_sR0F6NM8229JESLQHUAX7_1102.sst crc32 3044149742
private/4/CURRENT crc32 0
"""
SCHEMA_2 = b"""schema_version 2.1
1767225600
61165
metadata 00FF
app.field something
3
shared_checksum/000102_1_1102.sst size 1102 crc32 3044149742
private/4/CURRENT temp kCold
shared/000007.sst size 9
// FOOTER
"""
numbers = st.integers(0, (1 << 64) - 1)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True).filter(lambda name: ".." not in name)
metas = st.builds(
    BackupMeta,
    timestamp=numbers,
    sequence=numbers,
    files=st.lists(
        st.builds(MetaFile, path=names.map("private/4/".__add__), crc32c=st.integers(0, (1 << 32) - 1), size=st.none()),
        unique_by=lambda file: file.path,
        max_size=8,
    ).map(tuple),
    metadata=st.binary(max_size=50),
)


def test_schema_1() -> None:
    meta = decode_meta(SCHEMA_1, 4)
    assert meta == BackupMeta(
        1767225600,
        61165,
        (
            MetaFile("shared_checksum/000102_sR0F6NM8229JESLQHUAX7_1102.sst", 3044149742),
            MetaFile("private/4/CURRENT", 0),
        ),
    )
    assert encode_meta(meta) == SCHEMA_1


def test_schema_2() -> None:
    assert decode_meta(SCHEMA_2, 4) == BackupMeta(
        1767225600,
        61165,
        (
            MetaFile("shared_checksum/000102_1_1102.sst", 3044149742, 1102),
            MetaFile("private/4/CURRENT", None, None),
            MetaFile("shared/000007.sst", None, 9),
        ),
        b"\x00\xff",
    )


@pytest.mark.parametrize(
    "line", [b"ni::new yes\n", b"private/4/CURRENT crc32\n", b"private/4/CURRENT ni::x 1\n", b"private/4/X size big\n"]
)
def test_schema_2_refuses_what_must_be_understood(line: bytes) -> None:
    place = b"app.field something\n" if line.startswith(b"ni::") else b"private/4/CURRENT temp kCold\n"
    with pytest.raises(BackupDamaged, match=r"meta/4 is damaged at line \d+"):
        decode_meta(SCHEMA_2.replace(place, line), 4)


def test_a_meta_is_that_of_one_backup() -> None:
    with pytest.raises(BackupDamaged, match="not a path of this backup"):
        decode_meta(SCHEMA_1, 5)


@given(metas)
def test_what_is_written_is_read(meta: BackupMeta) -> None:
    assert decode_meta(encode_meta(meta), 4) == meta


@given(st.binary(max_size=400))
def test_garbage_is_damage(data: bytes) -> None:
    damage_or_meta(data)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([SCHEMA_1, SCHEMA_2]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.binary(max_size=6)), min_size=1, max_size=4),
)
def test_a_changed_meta_is_damage_or_a_meta(data: bytes, changes: list[tuple[float, int, bytes]]) -> None:
    for place, cut, inserted in changes:
        at = int(place * len(data))
        data = data[:at] + inserted + data[at + cut :]
    damage_or_meta(data)


@given(st.integers(0, len(SCHEMA_1) - 2))
def test_a_cut_meta_is_damage(length: int) -> None:
    with pytest.raises(BackupDamaged):
        decode_meta(SCHEMA_1[:length], 4)


def damage_or_meta(data: bytes) -> None:
    """Anything else than BackupDamaged fails the test; what is accepted never leads out of the repository."""
    try:
        meta = decode_meta(data, 4)
    except BackupDamaged:
        return
    for file in meta.files:
        folder, _, name = file.path.rpartition("/")
        assert folder in ("shared_checksum", "shared", "private/4")
        assert name not in ("", ".", "..")
