"""Hand-made version edits: what each tag does, and what contradicts what."""

from __future__ import annotations

import pytest

from tests.native.support import CLEAN, CORRUPT, TORN, replay_both
from tests.oracle import encode as e


def corrupt(*edits: bytes) -> str:
    """The last edit must be refused, and everything before it stay."""
    before = replay_both(e.log_of(edits[:-1]))
    assert before.state == CLEAN
    after = replay_both(e.log_of(edits))
    assert after.state == CORRUPT
    assert after.offset == before.offset
    assert after.edits == len(edits) - 1
    assert after.tables() == before.tables()
    return after.reason


def test_empty_file_is_clean() -> None:
    replay = replay_both(b"")
    assert (replay.state, replay.offset, replay.db_id) == (CLEAN, 0, None)
    assert replay.families() == [(0, "default", 0, "")]


def test_scalars() -> None:
    first = e.header("the id", 100, 7) + e.tagged(9, 2) + e.tagged(10, 40) + e.tagged(203, 9)
    replay = replay_both(e.log_of([first, e.tagged(10, 30) + e.tagged(3, 90), e.tagged(2, 1)]))
    assert (replay.db_id, replay.last_sequence, replay.next_file_number) == ("the id", 7, 90)
    assert (replay.prev_log_number, replay.min_log_number_to_keep) == (2, 40)
    assert replay.families() == [(0, "default", 3, "")]  # a log number never goes back


def test_db_id_that_is_no_utf8_survives() -> None:
    replay = replay_both(e.log_of([e.tagged(8193, b"\xff\x00x")]))
    assert replay.db_id is not None
    assert replay.db_id.encode("utf-8", "surrogateescape") == b"\xff\x00x"


@pytest.mark.parametrize("tag", [7, 100, 102, 103])
def test_every_form_of_new_file(tag: int) -> None:
    replay = replay_both(e.log_of([e.new_file(11, level=4, size=77, tag=tag)]))
    assert replay.tables() == [(11, 77, 0, 4, 0)]


def test_custom_fields() -> None:
    fields = [(65, b"\2"), (12, bytes(16)), (3, (50).to_bytes(8, "little")), (7, b"sum"), (8, b"name"), (63, b"?")]
    fields += [(number, e.varint(1 << 40)) for number in (5, 6, 13, 14, 15)]
    fields += [(number, b"\1") for number in (2, 9, 16)] + [(10, b""), (11, b"ts"), (17, b"m"), (4, e.varint(8))]
    replay = replay_both(e.log_of([e.new_file(11, fields=fields)]))
    assert replay.tables() == [(11, 1000, 2, 0, 0)]
    assert replay.min_log_number_to_keep == 50


@pytest.mark.parametrize(
    ("field", "value"),
    [(65, b"\4"), (65, b"\xff"), (65, b""), (65, b"\1\1"), (64, b""), (66, b""), (12, b"short"), (3, bytes(7))]
    + [(number, b"") for number in (2, 4, 5, 6, 9, 13, 14, 15, 16)]
    + [(4, b"\x80"), (2, b"\1\1"), (1 << 20 | 64, b"")],
)
def test_fields_that_refuse_the_edit(field: int, value: bytes) -> None:
    corrupt(e.header(), e.new_file(11, fields=[(field, value)]))


def test_unknown_tags() -> None:
    ignorable = e.tagged(8192, b"future") + e.tagged(8203, e.varint(5)) + e.tagged(8198, b"ts") + e.tagged(24576, b"")
    assert replay_both(e.log_of([ignorable + e.header()])).db_id == "id"
    for tag in (8, 11, 101, 204, 299, 301, 402, 4096, 16384, 0, (1 << 32) - 1 & ~8192):
        assert f"({tag})" in corrupt(e.header(), e.tagged(tag, b""))


def test_edits_that_end_too_early() -> None:
    whole = e.add_family(1, "one") + e.header() + e.new_file(9, fields=[(12, bytes(16))]) + e.new_blob(3)
    whole += e.drop_file(4) + e.garbage(3, 1, 1) + e.wal_added(3, 4) + e.wals_deleted(3) + e.tagged(5, 1, e.KEY)
    states = {replay_both(e.log_of([whole[:length]])).state for length in range(len(whole) + 1)}
    assert states == {CLEAN, CORRUPT}


def test_varints_that_are_too_long() -> None:
    corrupt(e.header(), b"\x80" * 5 + b"\0")
    corrupt(e.header(), e.varint(2) + b"\x80" * 10 + b"\0")
    # Excess bits of the last byte are dropped.
    assert replay_both(e.log_of([e.varint(3) + b"\xff" * 9 + b"\x7f"])).next_file_number == (1 << 64) - 1


def test_numbers_out_of_range() -> None:
    corrupt(e.header(), e.new_file(1 << 62))
    corrupt(e.header(), e.new_file(1, level=1 << 31))
    corrupt(e.header(), e.drop_file(1, level=1 << 31))


def test_file_moves_between_levels_in_one_edit() -> None:
    for move in (e.drop_file(5) + e.new_file(5, level=3), e.new_file(5, level=3) + e.drop_file(5)):
        assert replay_both(e.log_of([e.new_file(5), move])).tables() == [(5, 1000, 0, 3, 0)]


def test_contradictions_of_files() -> None:
    assert "deletion of unknown table file 6" in corrupt(e.new_file(5), e.drop_file(5) + e.drop_file(6))
    assert "another level" in corrupt(e.new_file(5), e.drop_file(5, level=1))
    assert "second addition of table file 5" in corrupt(e.new_file(5), e.new_file(4) + e.new_file(5))
    assert "second addition of table file 4" in corrupt(e.new_file(5), e.drop_file(5) + e.new_file(4) * 2)
    assert "second addition of blob file 7" in corrupt(e.new_blob(7), e.new_blob(7))
    assert "garbage of unknown blob file 8" in corrupt(e.new_blob(7), e.garbage(7, 1, 1) + e.garbage(8, 1, 1))
    assert "too much garbage" in corrupt(e.new_blob(7), e.garbage(7, 10, 0), e.garbage(7, 1, 0))
    assert "too much garbage" in corrupt(e.new_blob(7), e.garbage(7, 0, (1 << 64) - 1))


def test_families() -> None:
    edits = [e.add_family(3, "three", "cmp"), e.family(3, e.new_file(5) + e.tagged(2, 9)), e.new_file(6)]
    replay = replay_both(e.log_of(edits))
    assert replay.families() == [(0, "default", 0, ""), (3, "three", 9, "cmp")]
    assert [table[0] for table in replay.tables()] == [5, 6]
    edits += [e.drop_family(3), e.add_family(3, "again"), e.family(3, e.new_file(5, level=1))]
    replay = replay_both(e.log_of(edits))
    assert replay.tables() == [(5, 1000, 0, 1, 3), (6, 1000, 0, 0, 0)]
    assert replay.families()[1] == (3, "again", 0, "leveldb.BytewiseComparator")


def test_contradictions_of_families() -> None:
    assert "unknown column family 4" in corrupt(e.header(), e.family(4, e.new_file(5)))
    assert "unknown column family 4" in corrupt(e.add_family(4, "x"), e.drop_family(4), e.family(4, e.header()))
    assert "second addition of column family 4" in corrupt(e.add_family(4, "x"), e.add_family(4, "y"))
    assert "second addition of column family 0" in corrupt(e.header(), e.add_family(0, "default"))
    assert "drop of unknown column family 4" in corrupt(e.header(), e.drop_family(4))


def test_many_families_come_and_go() -> None:
    edits = []
    for number in range(1, 300):
        edits += [e.add_family(number, f"f{number}"), e.family(number, e.new_file(number) + e.new_blob(number))]
        if number % 3:
            edits.append(e.drop_family(number))
    replay = replay_both(e.log_of(edits))
    assert [table[4] for table in replay.tables()] == list(range(3, 300, 3))


def test_only_the_first_kind_of_an_edit_counts() -> None:
    """As VersionEditHandler: adding or dropping a family or a WAL hides the files of the same edit."""
    replay = replay_both(e.log_of([e.add_family(1, "one") + e.new_file(5), e.wal_added(3) + e.new_file(6)]))
    assert replay.tables() == []
    assert replay.wals() == [(3, -1)]


@pytest.mark.parametrize(("added", "deleted"), [(8199, 8200), (8196, 8197)])
def test_wals(added: int, deleted: int) -> None:
    edits = [e.wal_added(3, tag=added) + e.wal_added(4, 10, tag=added), e.wal_added(4, 5, tag=added)]
    edits += [e.wal_added(3, 7, tag=added), e.wal_added(4, 90, tag=added), e.wal_added(9, tag=added)]
    assert replay_both(e.log_of(edits)).wals() == [(3, 7), (4, 90), (9, -1)]
    edits += [e.wals_deleted(4, tag=deleted), e.wal_added(3, 99, tag=added), e.wals_deleted(2, tag=deleted)]
    assert replay_both(e.log_of(edits)).wals() == [(4, 90), (9, -1)]
    corrupt(*edits, e.wal_added(9, tag=added))


def test_many_wals_come_and_go() -> None:
    edits = [e.wal_added(number) + e.wal_added(number, 5) for number in range(1000)]
    edits = [part for n, edit in enumerate(edits) for part in (edit, e.wals_deleted(max(n - 3, 1)))]
    assert replay_both(e.log_of(edits)).wals() == [(number, 5) for number in range(996, 1000)]


def test_which_blob_files_live() -> None:
    def linked(number: int, blob: int) -> bytes:
        return e.new_file(number, fields=[(4, e.varint(blob))])

    blobs = [e.new_blob(number) for number in (10, 11, 12, 13)]
    assert not any(live for *_, live in replay_both(e.log_of(blobs)).blobs())
    edits = [*blobs, linked(20, 11), e.garbage(12, 10, 1000), e.garbage(11, 10, 1000), e.garbage(13, 9, 999)]
    live = {number: live for number, _, _, live in replay_both(e.log_of(edits)).blobs()}
    assert live == {10: False, 11: True, 12: False, 13: True}
    edits += [linked(21, 13), e.drop_file(20)]
    live = {number: live for number, _, _, live in replay_both(e.log_of(edits)).blobs()}
    assert live == {10: False, 11: False, 12: False, 13: True}
    # A link to a file that does not exist, or to another family's, is none.
    edits += [e.drop_file(21), e.add_family(1, "one"), e.family(1, linked(22, 13)), linked(23, 99)]
    assert not any(live for *_, live in replay_both(e.log_of(edits)).blobs())


@pytest.mark.parametrize(("tag", "garbage_tag"), [(400, 401), (8194, 8195)])
def test_both_spellings_of_blob_files(tag: int, garbage_tag: int) -> None:
    edits = [e.new_blob(3, tag=tag) + e.new_file(4, fields=[(4, e.varint(3))]), e.garbage(3, 1, 1, tag=garbage_tag)]
    assert replay_both(e.log_of(edits)).blobs() == [(3, 1000, 0, True)]
    odd_field = e.tagged(tag, 9, 1, 1, b"m", b"v", 5, b"?", 0)
    assert replay_both(e.log_of([odd_field])).blobs() == [(9, 1, 0, False)]
    corrupt(e.header(), e.tagged(tag, 9, 1, 1, b"m", b"v", 64, b"?", 0))


def test_atomic_group_is_applied_whole() -> None:
    group = [e.grouped(e.new_file(5), 2), e.grouped(e.new_file(6), 1), e.grouped(e.new_file(7), 0)]
    for length in range(3):
        replay = replay_both(e.log_of([e.header(), *group[:length]]))
        assert (replay.edits, replay.tables(), replay.state) == (1, [], TORN if length else CLEAN)
    assert replay_both(e.log_of([e.header(), *group])).edits == 4
    assert replay_both(e.log_of([e.header(), *group, e.new_file(9)])).edits == 5


def test_broken_atomic_groups() -> None:
    def refused(*edits: bytes) -> None:
        replay = replay_both(e.log_of([e.header(), *edits]))
        assert (replay.state, replay.edits, replay.tables()) == (CORRUPT, 1, [])

    refused(e.grouped(e.new_file(5), 2), e.new_file(6))
    refused(e.grouped(e.new_file(5), 2), e.grouped(e.new_file(6), 2))
    refused(e.grouped(e.new_file(5), 2), e.grouped(e.new_file(6), 0))
    refused(e.grouped(e.new_file(5), (1 << 32) - 1), e.grouped(b"", 0))
    refused(e.grouped(e.new_file(5), 1), e.grouped(e.new_file(5), 0))  # the second one contradicts the first


def test_contradiction_in_a_group_takes_everything_back() -> None:
    before = [e.add_family(1, "one"), e.family(1, e.new_file(5) + e.new_blob(6)), e.wal_added(3, 4), e.header("a")]
    group = [
        e.header("b", 200, 20) + e.tagged(1, b"other"),
        e.family(1, e.garbage(6, 1, 1) + e.drop_file(5) + e.tagged(2, 99) + e.tagged(1, b"changed")),
        e.wal_added(3, 9),
        e.wals_deleted(4),
        e.drop_family(1),
        e.add_family(1, "new"),
        e.add_family(2, "two"),
        e.family(2, e.new_file(8)),
        e.drop_family(2),
        e.drop_file(404),
    ]
    members = [e.grouped(edit, len(group) - 1 - n) for n, edit in enumerate(group)]
    assert "deletion of unknown table file 404" in replay_both(e.log_of([*before, *members])).reason
    fresh, tried = replay_both(e.log_of(before)), replay_both(e.log_of([*before, *members]))
    for method in ("families", "tables", "blobs", "wals"):
        assert getattr(fresh, method)() == getattr(tried, method)()
    assert (tried.db_id, tried.last_sequence) == ("a", 7)
