"""The readable twin of native/manifest*.c: replays a MANIFEST that lies in memory.

A unit (an edit or an atomic group) works on an overlay of the state, which is merged only if the whole unit
can be applied.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from tests.oracle.edit import Edit, Table, UndecodableError, decode
from tests.oracle.log import CLEAN, CORRUPT, LARGEST, TORN, LogEndError, LogReader, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

V = TypeVar("V")


class ContradictionError(Exception):
    """An edit that does not fit to those before it."""


class Overlay(Generic[V]):
    """A dict with changes that are not in it yet."""

    def __init__(self, base: dict[int, V]) -> None:
        self.base = base
        self.changes: dict[int, V | None] = {}

    def get(self, key: int) -> V | None:
        return self.changes[key] if key in self.changes else self.base.get(key)

    def put(self, key: int, value: V | None) -> None:
        self.changes[key] = value

    def merge(self) -> None:
        for key, value in self.changes.items():
            if value is None:
                self.base.pop(key, None)
            else:
                self.base[key] = value


@dataclass
class BlobFile:
    count: int
    bytes: int
    garbage_count: int = 0
    garbage_bytes: int = 0


@dataclass
class Family:
    id: int
    name: str
    comparator: str = ""
    log: int = 0
    tables: dict[int, Table] = field(default_factory=dict)
    blobs: dict[int, BlobFile] = field(default_factory=dict)


@dataclass
class Globals:
    db_id: str | None = None
    last_sequence: int = 0
    next_file: int = 0
    prev_log: int = 0
    min_log: int = 0
    wal_floor: int = 0


class Unit:
    """Changes that are not committed."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.families = {number: replace(family) for number, family in state.families.items()}
        self.tables: dict[int, Overlay[Table]] = {}
        self.blobs: dict[int, Overlay[BlobFile]] = {}
        self.wals = Overlay(state.wals)
        self.globals = replace(state.globals)

    def commit(self) -> None:
        state = self.state
        for number, family in self.families.items():
            for overlay in (self.tables.get(number), self.blobs.get(number)):
                if overlay is not None:
                    overlay.merge()
            assert family.id == number
        self.wals.merge()
        state.families, state.globals = self.families, self.globals
        for number in [number for number in state.wals if number < state.globals.wal_floor]:
            del state.wals[number]

    def apply(self, edit: Edit) -> None:
        family = self.families.get(edit.family)
        if edit.family_add is not None:
            if family is not None:
                raise ContradictionError(f"second addition of column family {edit.family}")
            family = self.families[edit.family] = Family(edit.family, edit.family_add)
            self.forget_files(edit.family)
        elif edit.family_drop:
            if family is None:
                raise ContradictionError(f"drop of unknown column family {edit.family}")
            del self.families[edit.family]
            self.forget_files(edit.family)
            family = None
        elif edit.wals:
            self.apply_wals(edit)
            family = None
        elif edit.wal_floor:
            self.globals.wal_floor = max(self.globals.wal_floor, edit.wal_floor)
            family = None
        elif family is None:
            raise ContradictionError(f"edit of unknown column family {edit.family}")
        else:
            self.apply_blobs(family, edit)
            self.apply_tables(family, edit)
        self.apply_values(family, edit)

    def forget_files(self, family: int) -> None:
        self.tables.pop(family, None)
        self.blobs.pop(family, None)

    def apply_blobs(self, family: Family, edit: Edit) -> None:
        blobs = self.blobs.setdefault(family.id, Overlay(family.blobs))
        for added in edit.blobs:
            if blobs.get(added.number) is not None:
                raise ContradictionError(f"second addition of blob file {added.number}")
            blobs.put(added.number, BlobFile(added.count, added.bytes))
        for garbage in edit.garbage:
            blob = blobs.get(garbage.number)
            if blob is None:
                raise ContradictionError(f"garbage of unknown blob file {garbage.number}")
            count, size = blob.garbage_count + garbage.count, blob.garbage_bytes + garbage.bytes
            if count > blob.count or size > blob.bytes:
                raise ContradictionError(f"too much garbage in blob file {garbage.number}")
            blobs.put(garbage.number, BlobFile(blob.count, blob.bytes, count, size))

    def apply_tables(self, family: Family, edit: Edit) -> None:
        tables = self.tables.setdefault(family.id, Overlay(family.tables))
        for dropped in edit.dropped:
            table = tables.get(dropped.number)
            if table is None:
                raise ContradictionError(f"deletion of unknown table file {dropped.number}")
            if table.level != dropped.level:
                raise ContradictionError(f"deletion from another level of table file {dropped.number}")
            tables.put(dropped.number, None)
        for added in edit.added:
            if tables.get(added.number) is not None:
                raise ContradictionError(f"second addition of table file {added.number}")
            tables.put(added.number, added)

    def apply_wals(self, edit: Edit) -> None:
        for number, size in edit.wals:
            known = self.wals.get(number)
            if number < self.globals.wal_floor:
                continue
            if known is not None and size == -1:
                raise ContradictionError(f"second addition of WAL {number}")
            self.wals.put(number, size if known is None else max(known, size))

    def apply_values(self, family: Family | None, edit: Edit) -> None:
        values, numbers = self.globals, edit.numbers
        if family is not None:
            family.log = max(family.log, numbers.get("log", 0))
            if edit.comparator is not None:
                family.comparator = edit.comparator
        values.prev_log = numbers.get("prev_log", values.prev_log)
        values.next_file = numbers.get("next_file", values.next_file)
        values.last_sequence = numbers.get("last_sequence", values.last_sequence)
        values.min_log = max(values.min_log, numbers.get("min_log", 0))
        if edit.db_id is not None:
            values.db_id = edit.db_id


class State:
    def __init__(self) -> None:
        self.families = {0: Family(0, "default")}
        self.wals: dict[int, int] = {}
        self.globals = Globals()


class ManifestTwin:
    """Has the interface of walrus_fast._native.ManifestReplay, but is fed with bytes."""

    def __init__(self) -> None:
        self.current = State()
        self.offset = self.edits = 0
        self.state = CLEAN
        self.reason = ""
        self.group: list[tuple[Edit, int]] = []  # with the record's length
        self.group_size = self.group_start = 0

    def feed(self, data: bytes) -> int:
        before = self.edits
        self.group = []
        try:
            if len(data) < self.offset:
                raise LogEndError(CORRUPT, "the file ends before the last edit that was read, which ends", self.offset)
            for record in LogReader(data, self.offset).records():
                self.take(record)
        except LogEndError as end:
            self.state, self.reason = end.state, str(end)
            if not self.reason and self.group:
                self.state = TORN
                count = f"{len(self.group)} of {self.group_size} edits"
                self.reason = f"unfinished atomic group at {self.group_start}: {count}"
        return self.edits - before

    def take(self, record: Record) -> None:
        if not record.is_data:
            if not self.group:
                self.offset = record.end
            return
        try:
            edit = decode(record.payload)
        except UndecodableError as exc:
            what = f"undecodable edit in the record at {record.start}: {exc}"
            raise _corrupt(what) from exc
        if edit.remaining is not None:
            self.take_grouped(record, edit, edit.remaining)
        elif self.group:
            raise LogEndError(CORRUPT, "broken atomic group", record.start)
        else:
            self.apply([edit], record.start, record.end)

    def take_grouped(self, record: Record, edit: Edit, remaining: int) -> None:
        if not self.group:
            self.group_size = remaining + 1
            self.group_start = record.start
        if len(self.group) + 1 + remaining != self.group_size:
            raise LogEndError(CORRUPT, "broken atomic group", record.start)
        if sum(8 + length for _, length in self.group) + len(record.payload) > LARGEST:
            raise LogEndError(CORRUPT, "atomic group too long", record.start)
        self.group.append((edit, len(record.payload)))
        if remaining == 0:
            edits = [member for member, _ in self.group]
            self.group = []
            self.apply(edits, self.group_start, record.end)

    def apply(self, edits: list[Edit], start: int, end: int) -> None:
        unit = Unit(self.current)
        try:
            for edit in edits:
                unit.apply(edit)
        except ContradictionError as exc:
            raise _corrupt(f"{exc} in the record at {start}") from exc
        unit.commit()
        self.edits += len(edits)
        self.offset = end

    @property
    def db_id(self) -> str | None:
        return self.current.globals.db_id

    @property
    def last_sequence(self) -> int:
        return self.current.globals.last_sequence

    @property
    def next_file_number(self) -> int:
        return self.current.globals.next_file

    @property
    def prev_log_number(self) -> int:
        return self.current.globals.prev_log

    @property
    def min_log_number_to_keep(self) -> int:
        return self.current.globals.min_log

    def families(self) -> list[tuple[int, str, int, str]]:
        return sorted((f.id, f.name, f.log, f.comparator) for f in self.current.families.values())

    def tables(self) -> list[tuple[int, int, int, int, int]]:
        found = (
            (table.number, table.size, table.path, table.level, family.id)
            for family in self.current.families.values()
            for table in family.tables.values()
        )
        return sorted(found, key=lambda entry: (entry[0], entry[4]))

    def blobs(self) -> list[tuple[int, int, int, bool]]:
        found = (entry for family in self.current.families.values() for entry in _blobs_of(family))
        return sorted(found, key=lambda entry: (entry[0], entry[2]))

    def wals(self) -> list[tuple[int, int]]:
        return sorted(self.current.wals.items())


def _blobs_of(family: Family) -> Iterator[tuple[int, int, int, bool]]:
    linked = {table.oldest_blob for table in family.tables.values()} & family.blobs.keys() - {0}
    oldest = min(linked, default=None)
    for number, blob in family.blobs.items():
        old = oldest is None or number < oldest
        empty = number not in linked and blob.garbage_count >= blob.count
        yield number, blob.bytes, family.id, not old and not empty


def _corrupt(what: str) -> LogEndError:
    end = LogEndError(CORRUPT)
    end.args = (what,)
    return end
