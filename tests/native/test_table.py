"""Table files made by hand: every footer, and damage."""

from __future__ import annotations

import errno
import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.native.support import SEED
from tests.oracle import encode as e
from tests.oracle.table import identity
from walrus_fast import _native

if TYPE_CHECKING:
    from pathlib import Path

SESSION = "ABCDEFGHIJ0123456789"
PROPERTIES = {
    "rocksdb.creating.session.identity": SESSION.encode(),
    "rocksdb.creating.db.identity": b"the-db",
    "rocksdb.original.file.number": e.varint(77),
    "rocksdb.comparator": b"leveldb.BytewiseComparator",
    "user.property.with.a.name.of.more.than.sixty-four.characters.that.goes.on.and.on": b"x" * 300,
    "user.property.with.a.name.of.more.than.sixty-four.characters.that.goes.on.and.on.2": b"y",
}
FINE = (0, SESSION, "the-db", 77)
OLD_BLOCK, OLD_PLAIN, PLAIN, CUCKOO = 0xDB4775248B80FB57, 0x4F3418EB7A8F13B8, 0x8242229663BF9564, 0x926789D0C5F17873


def both(path: Path, data: bytes) -> tuple[int, str, str, int]:
    path.write_bytes(data)
    (found,) = _native.table_identities(-100, [path])
    assert found == identity(path)
    return found


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("gap", [0, 16_000, 16_384, 100_000])
def test_every_footer_version(tmp_path: Path, version: int, gap: int) -> None:
    assert both(tmp_path / "t", e.table(PROPERTIES, version=version, gap=gap)) == FINE
    assert both(tmp_path / "t", e.table(PROPERTIES, version=version, before=50_000, gap=gap)) == FINE


@pytest.mark.parametrize("magic", [OLD_BLOCK, OLD_PLAIN, PLAIN, CUCKOO])
def test_other_kinds_of_tables(tmp_path: Path, magic: int) -> None:
    assert both(tmp_path / "t", e.table(PROPERTIES, version=1, magic=magic)) == FINE


def test_tables_without_identity(tmp_path: Path) -> None:
    assert both(tmp_path / "t", e.table(None)) == (0, "", "", 0)
    assert both(tmp_path / "t", e.table({})) == (0, "", "", 0)
    assert both(tmp_path / "t", e.table({"rocksdb.comparator": b"x"})) == (0, "", "", 0)


def test_compressed_properties_are_refused(tmp_path: Path) -> None:
    assert both(tmp_path / "t", e.table(PROPERTIES, compression=7))[0] == -1


@pytest.mark.parametrize("session", [b"../../etc", b"a/b", b"\0", b"\xff", b"a b", b"x" * 257])
def test_sessions_that_must_not_get_into_a_file_name(tmp_path: Path, session: bytes) -> None:
    assert both(tmp_path / "t", e.table({"rocksdb.creating.session.identity": session}))[0] == -1


def test_db_id_is_any_bytes(tmp_path: Path) -> None:
    for db_id in (b"", b"\xff/\0", b"x" * 256):
        status, _, found, _ = both(tmp_path / "t", e.table({"rocksdb.creating.db.identity": db_id}))
        assert (status, found.encode("utf-8", "surrogateescape")) == (0, db_id)
    assert both(tmp_path / "t", e.table({"rocksdb.creating.db.identity": b"x" * 257}))[0] == -1


@pytest.mark.parametrize("version", [5, 6])
def test_every_truncation(tmp_path: Path, version: int) -> None:
    data = e.table(PROPERTIES, version=version)
    for length in range(len(data)):
        assert both(tmp_path / "t", data[:length])[0] == -1
        assert both(tmp_path / "t", data[len(data) - length :])[0] in (-1, 0)


@pytest.mark.parametrize("version", [2, 6])
def test_every_flipped_bit(tmp_path: Path, version: int) -> None:
    data = e.table(PROPERTIES, version=version)
    statuses = set()
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        statuses.add(both(tmp_path / "t", bytes(damaged))[0])
    assert statuses == {-1, 0}


def test_random_damage(tmp_path: Path) -> None:
    print("seed", SEED)
    rng = random.Random(SEED)
    for _ in range(3000):
        damaged = bytearray(e.table(PROPERTIES, version=rng.choice((1, 5, 6)), gap=rng.choice((0, 20_000))))
        for _ in range(rng.randrange(1, 5)):
            damaged[-rng.randrange(1, 200) - rng.choice((0, 0, 20_000)) * (len(damaged) > 20_400)] = rng.randrange(256)
        both(tmp_path / "t", bytes(damaged))


def test_handles_beyond_the_file(tmp_path: Path) -> None:
    big = (1 << 64) - 1
    for offset, size in ((big, 10), (10, big), (big, big), (0, 1 << 40), (0, 64 << 20), (100, 0), (0, 3)):
        handles = (e.varint(offset) + e.varint(size) + b"\0\0").ljust(40, b"\0")
        data = bytes(200) + b"\1" + handles + (5).to_bytes(4, "little") + (0x88E241B785F4CFF7).to_bytes(8, "little")
        assert both(tmp_path / "t", data)[0] == -1
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
        file.seek(0, os.SEEK_END)
        file.write(b"\1" + handles + (5).to_bytes(4, "little") + (0x88E241B785F4CFF7).to_bytes(8, "little"))
    assert _native.table_identities(-100, [sparse]) == [(-1, "", "", 0)]


def test_errors_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(e.table(PROPERTIES))
    (tmp_path / "bad").write_bytes(b"x" * 100)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("good")
    os.mkfifo(tmp_path / "fifo")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        names = ["good", "bad", "missing", "dir", "link", "fifo", "empty", str(tmp_path / "good")]
        found = _native.table_identities(fd, names)
    finally:
        os.close(fd)
    statuses = [0, -1, errno.ENOENT, errno.EINVAL, errno.ELOOP, errno.EINVAL, -1, 0]
    assert [status for status, *_ in found] == statuses
    assert found[0] == found[-1] == FINE
    assert all(entry[1:] == ("", "", 0) for entry in found[1:-1])
    assert _native.table_identities(-100, []) == []
