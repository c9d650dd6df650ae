"""MANIFEST bytes: cut, damaged, padded, growing."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.support import CLEAN, CORRUPT, SEED, TORN, file_of, picture, replay_both
from tests.oracle import encode as e
from tests.oracle.log import BLOCK
from tests.oracle.manifest import ManifestTwin
from walrus_fast import _native


def small() -> list[bytes]:
    link = (4, e.varint(9))
    return [
        e.header(),
        e.add_family(1, "one"),
        e.family(1, e.new_file(10, fields=[link, (12, bytes(16))]) + e.new_blob(9) + e.new_blob(8)),
        e.grouped(e.new_file(20), 1),
        e.grouped(e.family(1, e.garbage(9, 1, 1) + e.drop_file(10) + e.new_file(10, level=3)), 0),
        e.wal_added(4, 100) + e.tagged(3, 9),
        e.wals_deleted(3),
        e.drop_family(1),
    ]


def writer_of(edits: list[bytes]) -> e.LogWriter:
    writer = e.LogWriter()
    for edit in edits:
        writer.add(edit)
    return writer


def test_every_truncation() -> None:
    writer = writer_of(small())
    data, ends = bytes(writer.data), writer.ends
    units = [0, *(end for n, end in enumerate(ends) if n != 3)]  # the fourth edit opens a group
    for length in range(len(data) + 1):
        replay = replay_both(data[:length])
        assert replay.offset == max(unit for unit in units if unit <= length)
        assert replay.state == (CLEAN if length in units else TORN)


def test_every_flipped_bit() -> None:
    data = e.log_of(small())
    ends = writer_of(small()).ends
    seen = set()
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        replay = replay_both(bytes(damaged))
        seen.add(replay.state)
        assert replay.offset <= bit // 8
        if bit // 8 < ends[-2] and "incomplete record" not in replay.reason:
            assert replay.state == CORRUPT
    assert seen == {TORN, CORRUPT}


def test_every_truncation_of_a_damaged_file_stays_before_the_damage() -> None:
    data = bytearray(e.log_of(small()))
    data[10] ^= 1
    assert {replay_both(bytes(data[:length])).offset for length in range(len(data))} == {0}


@pytest.mark.parametrize(
    "size", [0, 1, BLOCK - 8, BLOCK - 7, BLOCK - 6, BLOCK, BLOCK * 2 - 14, 100_000, 1 << 20, 3 << 20]
)
def test_records_of_every_size(size: int) -> None:
    filler = e.tagged(8192, bytes(size)) if size else b""
    replay = replay_both(e.log_of([filler, e.header(), filler, e.new_file(3)]))
    assert (replay.state, replay.edits, len(replay.tables())) == (CLEAN, 4, 1)


@pytest.mark.parametrize("left", range(16))
def test_records_that_begin_near_a_block_end(left: int) -> None:
    first = e.tagged(8192, bytes(BLOCK - 7 - left - 5))
    writer = writer_of([first])
    assert -len(writer.data) % BLOCK == left
    assert replay_both(bytes(writer.data)).state == CLEAN
    data = bytes(writer.add(e.header()).data)
    assert replay_both(data).state == CLEAN
    for length in range(writer.ends[0], len(data)):
        assert replay_both(data[:length]).edits == 1


def test_atomic_group_that_spans_blocks_cut_everywhere() -> None:
    big = e.tagged(8192, bytes(BLOCK))
    writer = writer_of([e.header(), e.grouped(e.new_file(5), 2), e.grouped(big, 1)])
    start, whole = writer.ends[0], bytes(writer.add(e.grouped(e.new_file(6), 0)).data)
    cuts = [*range(start + 1, start + 80), *range(BLOCK - 20, BLOCK + 20), *range(len(whole) - 80, len(whole))]
    for length in cuts:
        replay = replay_both(whole[:length])
        assert (replay.state, replay.offset, replay.tables()) == (TORN, start, [])
    assert [table[0] for table in replay_both(whole).tables()] == [5, 6]


def test_zeros() -> None:
    data = e.log_of([e.header()])
    for count in (1, 3, 6, 7, 8, 100, BLOCK, 3 << 20):
        replay = replay_both(data + bytes(count))
        assert (replay.state, replay.offset) == (TORN, len(data))
    assert replay_both(data + bytes(100) + b"\1").state == CORRUPT
    assert replay_both(data + bytes(BLOCK - len(data)) + data).state == CORRUPT
    assert replay_both(data + bytes(2 << 20) + b"\1").state == CORRUPT
    part = e.physical(e.FIRST, b"x")
    assert replay_both(data + part + bytes(50)).reason == f"unfinished record at {len(data)}"


def test_checksum_before_nothing_but_zeros_is_torn() -> None:
    data = bytearray(e.log_of([e.header(), e.new_file(5)]))
    data[-1] ^= 1
    assert replay_both(bytes(data)).state == TORN
    assert replay_both(bytes(data) + bytes(100)).state == TORN
    assert replay_both(bytes(data) + b"\1").state == CORRUPT


def test_fragments_in_the_wrong_order() -> None:
    first, middle, last, full = (e.physical(kind, e.header()) for kind in (e.FIRST, e.MIDDLE, e.LAST, e.FULL))
    for parts in ([middle], [last], [full, last], [first, full], [first, first], [first, last, middle]):
        assert replay_both(b"".join(parts)).state == CORRUPT
    empty = e.physical(e.FIRST, b"")
    for parts in (
        [empty, e.physical(e.LAST, b"")],
        [empty, full],
        [empty, first, last],
        [empty, e.physical(e.MIDDLE, b""), full],
    ):
        assert replay_both(b"".join(parts)).state == CLEAN


@pytest.mark.parametrize("kind", range(256))
def test_every_record_type(kind: int) -> None:
    data = e.log_of([e.header()]) + e.physical(kind, e.tagged(3, 1234))
    replay = replay_both(data + e.log_of([e.tagged(4, 99)]))
    ignorable = kind >= 128 or kind == e.FULL
    assert (replay.state, replay.edits > 1) == ((CLEAN, True) if ignorable else (CORRUPT, False))
    assert replay_both(e.physical(e.FIRST, b"x") + e.physical(kind, b"y")).offset == 0


def test_ignorable_record_inside_a_group() -> None:
    data = e.log_of([e.grouped(e.new_file(5), 1)]) + e.physical(200, b"")
    assert replay_both(data).offset == 0
    assert replay_both(data + e.log_of([e.grouped(e.new_file(6), 0)])).edits == 2


def test_growing_file_is_read_piece_by_piece() -> None:
    rng = random.Random(SEED)
    print("seed", SEED)
    edits = small() + [e.tagged(8192, bytes(rng.randrange(50_000))) for _ in range(40)] + [e.header("last")]
    data = e.log_of(edits)
    native, twin = _native.ManifestReplay(), ManifestTwin()
    with file_of(b"") as fd:
        at = total = 0
        while at < len(data):
            piece = data[at : at + rng.choice((1, 5, 100, 3000, 40_000))]
            os.write(fd, piece)
            at += len(piece)
            total += native.feed(fd)
            twin.feed(data[:at])
            assert picture(native) == picture(twin)
        assert (native.state, native.offset, native.edits, total) == (CLEAN, len(data), len(edits), len(edits))


def test_limit() -> None:
    writer = writer_of(small())
    with file_of(bytes(writer.data)) as fd:
        replay = _native.ManifestReplay()
        assert replay.feed(fd, 0) == 0
        assert replay.state == CLEAN
        assert replay.feed(fd, writer.ends[1] + 3) == 2
        assert (replay.state, replay.offset) == (TORN, writer.ends[1])
        with pytest.raises(ValueError, match="before offset"):
            replay.feed(fd, writer.ends[1] - 1)
        assert replay.feed(fd, 1 << 60) == len(writer.ends) - 2
        assert replay.state == CLEAN


def test_feed_after_torn_and_corrupt_reads_the_completed_tail() -> None:
    data = e.log_of(small())
    replay = _native.ManifestReplay()
    for cut in (30, 200):
        damaged = bytearray(data)
        damaged[cut] ^= 4
        with file_of(bytes(damaged[: cut + 1])) as fd:
            replay.feed(fd)
        with file_of(bytes(damaged)) as fd:
            replay.feed(fd)
            assert replay.state == CORRUPT
    with file_of(data) as fd:
        replay.feed(fd)
    assert picture(replay) == picture(replay_both(data))


def test_file_that_became_shorter() -> None:
    replay = _native.ManifestReplay()
    with file_of(e.log_of(small())) as fd:
        replay.feed(fd)
        os.ftruncate(fd, 10)
        assert replay.feed(fd) == 0
    assert replay.state == CORRUPT
    assert "ends before" in replay.reason


OTHERS = [
    *(e.drop_file(20), e.new_file(20), e.new_blob(3), e.garbage(3, 4, 4), e.drop_file(10, level=3), e.family(1)),
    *(e.grouped(e.header(), 2), e.grouped(b"", 1), e.grouped(e.drop_file(20), 0), e.add_family(2, "x")),
    *(e.tagged(8192, bytes(33_000)), e.new_file(30, fields=[(4, e.varint(3))]), e.wal_added(5), e.wals_deleted(5)),
]
EDITS = st.lists(st.sampled_from(small() + OTHERS), max_size=25)
MUTATIONS = st.lists(st.tuples(st.integers(0, 1 << 20), st.sampled_from("xid"), st.integers(0, 255)), max_size=4)


def mutate(data: bytes, changes: list[tuple[int, str, int]]) -> bytes:
    """Changes, inserts and deletes single bytes."""
    out = bytearray(data)
    for where, how, value in changes:
        at = where % (len(out) + 1)
        if how == "i":
            out.insert(at, value)
        elif at < len(out):
            out[at] ^= value
            if how == "d":
                del out[at]
    return bytes(out)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(EDITS, MUTATIONS)
def test_random_logs_with_damaged_bytes(edits: list[bytes], changes: list[tuple[int, str, int]]) -> None:
    replay_both(mutate(e.log_of(edits), changes))


@settings(derandomize=True, deadline=None, max_examples=800)
@given(EDITS, MUTATIONS)
def test_random_edits_with_damaged_contents(edits: list[bytes], changes: list[tuple[int, str, int]]) -> None:
    """The checksums are right: the decoder sees the damage."""
    replay_both(e.log_of([mutate(edit, changes) if n % 3 == 2 else edit for n, edit in enumerate(edits)]))


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=8))
def test_random_payloads(records: list[tuple[int, bytes]]) -> None:
    replay_both(b"".join(e.physical(kind % 5 if kind < 200 else kind, payload) for kind, payload in records))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=400))
def test_random_bytes(data: bytes) -> None:
    replay_both(data)
