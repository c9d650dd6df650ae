"""WAL bytes: plain, recycled, compressed, padded, cut, damaged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.support import CLEAN, CORRUPT, TORN, file_of, scan_both
from tests.native.test_manifest_log import MUTATIONS, mutate
from tests.oracle import encode as e
from tests.oracle.log import BLOCK
from walrus_fast import _native

COMPRESSED, RECYCLABLE = 1, 2


def wal(log_number: int | None = None, sizes: tuple[int, ...] = (5, 0, 70_000, 9)) -> e.LogWriter:
    writer = e.LogWriter(log_number)
    for n, size in enumerate(sizes):
        writer.add(e.batch(100 + 10 * n, 10, bytes(size)))
    return writer


@pytest.mark.parametrize("log_number", [None, 5])
def test_whole_log(log_number: int | None) -> None:
    data = bytes(wal(log_number).data)
    assert scan_both(data) == (len(data), 4, 139, CLEAN, 0 if log_number is None else RECYCLABLE)
    assert scan_both(b"") == (0, 0, -1, CLEAN, 0)


@pytest.mark.parametrize("log_number", [None, 5])
def test_every_truncation(log_number: int | None) -> None:
    writer = wal(log_number, (5, 0, 40, 9))
    data, ends = bytes(writer.data), [0, *writer.ends]
    for length in range(len(data) + 1):
        complete, batches, _, state, _ = scan_both(data[:length])
        assert complete == max(end for end in ends if end <= length)
        assert batches == ends.index(complete)
        assert state == CLEAN if length in ends else state in (CLEAN, TORN)


@pytest.mark.parametrize("log_number", [None, 5])
def test_truncations_around_block_ends(log_number: int | None) -> None:
    data = bytes(wal(log_number).data)
    for block in (1, 2):
        for length in range(block * BLOCK - 20, block * BLOCK + 20):
            assert scan_both(data[:length])[1:4] == (2, 119, TORN)


@pytest.mark.parametrize("log_number", [None, 5])
def test_every_flipped_bit(log_number: int | None) -> None:
    data = bytes(wal(log_number, (5, 0, 40, 9)).data)
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        complete, _, _, state, _ = scan_both(bytes(damaged))
        assert complete <= bit // 8
        assert state != CLEAN


def test_last_sequence() -> None:
    for sequence, count, last in (
        (7, 0, 7),
        (7, 1, 7),
        (7, 5, 11),
        ((1 << 64) - 1, 3, 1),
        (1, (1 << 32) - 1, (1 << 32) - 1),
    ):
        assert scan_both(e.log_of([e.batch(sequence, count)]))[2] == last


def test_batch_without_a_header() -> None:
    for log_number, state in ((None, CORRUPT), (5, TORN)):
        writer = e.LogWriter(log_number).add(e.batch(1, 1)).add(b"too short").add(e.batch(2, 1))
        assert scan_both(bytes(writer.data))[:4] == (writer.ends[0], 1, 1, state)
    assert scan_both(e.log_of([b"short"]))[:4] == (0, 0, -1, CORRUPT)


@pytest.mark.parametrize("log_number", [None, 5])
def test_zero_tail_is_a_clean_end(log_number: int | None) -> None:
    data = bytes(wal(log_number).data)
    for count in (1, 6, 7, 10, 11, 500, BLOCK, 3 << 20):
        assert scan_both(data + bytes(count))[:4] == (len(data), 4, 139, CLEAN)


def test_hole_is_not_a_clean_end() -> None:
    data = e.log_of([e.batch(1, 1)])
    hole = data + bytes(2 * BLOCK - len(data)) + data
    assert scan_both(hole)[:4] == (len(data), 1, 1, CORRUPT)
    assert scan_both(data + bytes(100) + b"\1")[3] == CORRUPT


@pytest.mark.parametrize("left", range(16))
@pytest.mark.parametrize("log_number", [None, 5])
def test_padding_before_a_block_end(log_number: int | None, left: int) -> None:
    header = 7 if log_number is None else 11
    writer = e.LogWriter(log_number).add(e.batch(1, 1, bytes(BLOCK - header - 12 - left)))
    data = bytes(writer.add(e.batch(2, 1)).data)
    assert scan_both(data)[:4] == (len(data), 2, 2, CLEAN)


@pytest.mark.parametrize("log_number", [None, 5])
def test_metadata_records(log_number: int | None) -> None:
    """Timestamp sizes and predecessor information; both may leave a long padding behind them in a block."""
    writer = e.LogWriter(log_number)
    for kind in (10, 130) if log_number is None else (11, 131):
        writer.metadata(kind, b"information").add(e.batch(1, 1, bytes(BLOCK - 100)))
        writer.metadata(kind, bytes(range(150)))
    data = bytes(writer.data)
    complete, batches, _, state, _ = scan_both(data)
    assert (complete, batches, state) == (len(data), 2, CLEAN)
    inside = e.LogWriter(log_number)
    inside.raw(e.physical(e.FIRST + (4 if log_number else 0), e.batch(1, 1), log_number)).metadata(10, b"")
    assert scan_both(bytes(inside.data))[3] == (CORRUPT if log_number is None else TORN)


@pytest.mark.parametrize("kind", range(256))
def test_every_record_type(kind: int) -> None:
    record = e.physical(kind, e.batch(9, 1), 5 if kind in (5, 6, 7, 8, 11, 131) else None)
    for before in (b"", e.log_of([e.batch(1, 1)]), e.physical(e.FIRST, b"x"), e.physical(6, b"x", 5)):
        for behind in (b"", e.log_of([e.batch(20, 1)])):
            scan_both(before + record + behind)


def test_compressed_log() -> None:
    writer = e.LogWriter().metadata(9, b"\7\0\0\0").add(b"zs").add(b"td")
    data = bytes(writer.data)
    assert scan_both(data) == (len(data), 2, -1, CLEAN, COMPRESSED)
    assert scan_both(bytes(writer.metadata(9, b"\7\0\0\0").data))[:4] == (len(data), 2, -1, CORRUPT)
    assert scan_both(e.log_of([e.batch(1, 1)]) + e.physical(9, b"\7\0\0\0"))[3] == CORRUPT


def test_recycled_log_ends_at_the_old_records() -> None:
    old, new = wal(4, (5, 5, 5, 5, 5)), wal(5, (5, 5))
    data = bytes(new.data) + bytes(old.data[len(new.data) :])
    assert scan_both(data) == (len(new.data), 2, 119, CLEAN, RECYCLABLE)
    assert scan_both(bytes(old.data)) == (0, 0, -1, CLEAN, RECYCLABLE)
    assert scan_both(bytes(old.data), 4 + (1 << 32))[1] == 5  # only the low half of the number is stored


def test_recycled_log_with_arbitrary_old_bytes() -> None:
    old = bytes(wal(4, (300, 300, 300)).data)
    new = wal(5, (5, 5))
    for cut in range(len(new.data), len(old)):
        complete, batches, _, state, flags = scan_both(bytes(new.data) + old[cut:])
        assert (complete, batches, flags) == (len(new.data), 2, RECYCLABLE)
        assert state in (CLEAN, TORN)


def test_recycled_log_that_ends_inside_a_record() -> None:
    old, new = wal(4, (5,) * 4), wal(5, (5,))
    part = e.physical(6, e.batch(7, 1, bytes(5)), 5)  # as long as the old record it replaces
    data = bytes(new.data) + part + bytes(old.data[len(new.data) + len(part) :])
    assert scan_both(data) == (len(new.data), 1, 109, TORN, RECYCLABLE)


def test_recyclable_record_in_a_plain_log() -> None:
    data = e.log_of([e.batch(1, 1)])
    assert scan_both(data + e.physical(5, e.batch(2, 1), 5))[:4] == (len(data), 1, 1, CORRUPT)


def test_limit_and_wrong_arguments() -> None:
    writer = wal()
    with file_of(bytes(writer.data)) as fd:
        assert _native.scan_wal(fd, 5, writer.ends[1])[:2] == (writer.ends[1], 2)
        assert _native.scan_wal(fd, 5, 1 << 60)[1] == 4
        assert _native.scan_wal(fd, 5, 0) == (0, 0, -1, CLEAN, 0)
        with pytest.raises(OverflowError):
            _native.scan_wal(fd, -1)
        with pytest.raises(TypeError):
            _native.scan_wal(fd, 1.5)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="Bad file descriptor"):
        _native.scan_wal(-1, 5)


RECORDS = st.lists(
    st.tuples(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 130, 131, 133, 12]), st.integers(0, 60))
)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(RECORDS, MUTATIONS, st.sampled_from([5, 6]))
def test_random_logs(records: list[tuple[int, int]], changes: list[tuple[int, str, int]], number: int) -> None:
    numbered = (5, 6, 7, 8, 11, 131)
    parts = [e.physical(kind, e.batch(kind, 1, bytes(size)), 5 if kind in numbered else None) for kind, size in records]
    scan_both(mutate(b"".join(parts), changes), number)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(st.integers(0, 70_000), max_size=6), MUTATIONS, st.sampled_from([None, 5]))
def test_random_sizes(sizes: list[int], changes: list[tuple[int, str, int]], log_number: int | None) -> None:
    scan_both(mutate(bytes(wal(log_number, tuple(sizes)).data), changes))
