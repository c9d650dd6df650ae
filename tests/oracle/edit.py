"""The readable twin of native/version_edit.c: one version edit as Python values."""

from __future__ import annotations

from dataclasses import dataclass, field


class UndecodableError(Exception):
    """What could not be decoded, and the tag to blame."""

    def __init__(self, what: str, tag: int) -> None:
        super().__init__(f"{what} ({tag})")


class MissingError(Exception):
    """The bytes end too early, or a number is out of range."""


@dataclass
class Table:
    level: int
    number: int
    size: int = 0
    path: int = 0
    oldest_blob: int = 0


@dataclass
class Blob:
    number: int
    count: int
    bytes: int


@dataclass
class Edit:
    family: int = 0
    family_add: str | None = None
    family_drop: bool = False
    remaining: int | None = None  # None: not in an atomic group
    numbers: dict[str, int] = field(default_factory=dict)
    comparator: str | None = None
    db_id: str | None = None
    wal_floor: int = 0
    dropped: list[Table] = field(default_factory=list)
    added: list[Table] = field(default_factory=list)
    blobs: list[Blob] = field(default_factory=list)
    garbage: list[Blob] = field(default_factory=list)
    wals: list[tuple[int, int]] = field(default_factory=list)  # number, synced size or -1


NUMBERS = {2: "log", 3: "next_file", 4: "last_sequence", 9: "prev_log", 10: "min_log"}


class Decoder:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def varint(self, bits: int) -> int:
        value = shift = 0
        while shift < bits and self.at < len(self.data):
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value & ((1 << bits) - 1)
            shift += 7
        raise MissingError

    def slice(self) -> bytes:
        length = self.varint(32)
        if length > len(self.data) - self.at:
            raise MissingError
        self.at += length
        return self.data[self.at - length : self.at]

    def text(self) -> str:
        return self.slice().decode("utf-8", "surrogateescape")

    def level(self) -> int:
        return self.at_most(self.varint(32), 2**31 - 1)

    def file_number(self) -> int:
        return self.at_most(self.varint(64), 2**62 - 1)

    def key(self) -> None:
        if len(self.slice()) < 8:
            raise MissingError

    @staticmethod
    def at_most(value: int, most: int) -> int:
        if value > most:
            raise MissingError
        return value


def decode(data: bytes) -> Edit:
    """Raises: UndecodableError."""
    decoder, edit = Decoder(data), Edit()
    while decoder.at < len(data):
        try:
            tag = decoder.varint(32)
        except MissingError:
            raise UndecodableError("tag", 0) from None
        _decode_tag(decoder, tag, edit)
    return edit


def _decode_tag(decoder: Decoder, tag: int, edit: Edit) -> None:
    what = "tag"
    try:
        if tag == 6:
            what = "deleted file"
            edit.dropped.append(Table(decoder.level(), decoder.file_number()))
        elif tag in (7, 100, 102, 103):
            what = "new file"
            edit.added.append(_new_file(decoder, tag, edit))
        elif tag in (400, 8194):
            what = "blob file addition"
            edit.blobs.append(_blob(decoder, checksum=True))
        elif tag in (401, 8195):
            what = "blob file garbage"
            edit.garbage.append(_blob(decoder, checksum=False))
        elif tag in (8196, 8197, 8199, 8200):
            what = "WAL record length"
            inner = Decoder(decoder.slice()) if tag in (8199, 8200) else decoder
            what = "WAL addition" if tag in (8196, 8199) else "WAL deletion"
            if tag in (8196, 8199):
                edit.wals.append(_wal(inner))
            else:
                edit.wal_floor = inner.varint(64)
        else:
            _scalar(decoder, tag, edit)
    except MissingError:
        raise UndecodableError(what, tag) from None


def _scalar(decoder: Decoder, tag: int, edit: Edit) -> None:
    if tag == 1:
        edit.comparator = decoder.text()
    elif tag in NUMBERS:
        edit.numbers[NUMBERS[tag]] = decoder.varint(64)
    elif tag == 5:
        decoder.level()
        decoder.key()
    elif tag == 200:
        edit.family = decoder.varint(32)
    elif tag == 201:
        edit.family_add = decoder.text()
    elif tag == 202:
        edit.family_drop = True
    elif tag == 203:
        decoder.varint(32)
    elif tag == 300:
        edit.remaining = decoder.varint(32)
    elif tag == 8193:
        edit.db_id = decoder.text()
    elif tag & 8192:
        decoder.slice()
    else:
        raise MissingError


def _new_file(decoder: Decoder, tag: int, edit: Edit) -> Table:
    table = Table(decoder.level(), decoder.file_number())
    if tag == 102:
        table.path = decoder.varint(32)
    table.size = decoder.varint(64)
    decoder.key()
    decoder.key()
    if tag != 7:
        decoder.varint(64)
        decoder.varint(64)
    while tag == 103:
        try:
            field_tag = decoder.varint(32)
        except MissingError:
            raise UndecodableError("field tag of a file", tag) from None
        if field_tag == 1:
            break
        try:
            value = decoder.slice()
        except MissingError:
            raise UndecodableError("field length of a file", field_tag) from None
        _file_field(field_tag, value, table, edit)
    return table


def _file_field(tag: int, value: bytes, table: Table, edit: Edit) -> None:
    what = "number field of a file"
    try:
        if tag == 3:
            what = "min log number field"
            if len(value) < 8:
                raise MissingError
            edit.numbers["min_log"] = int.from_bytes(value[:8], "little")
        elif tag == 4:
            what = "oldest blob file field"
            table.oldest_blob = Decoder(value).varint(64)
        elif tag == 65:
            what = "path id field"
            if len(value) != 1:
                raise MissingError
            table.path = Decoder.at_most(value[0], 3)
        elif tag in (5, 6, 13, 14, 15):
            Decoder(value).varint(64)
        elif tag in (2, 9, 16) and len(value) != 1:
            raise UndecodableError("flag field of a file", tag)
        elif tag == 12 and len(value) != 16:
            raise UndecodableError("unique id field", tag)
        elif tag & 64:
            raise UndecodableError("unknown field of a file", tag)
    except MissingError:
        raise UndecodableError(what, tag) from None


def _blob(decoder: Decoder, *, checksum: bool) -> Blob:
    blob = Blob(decoder.varint(64), decoder.varint(64), decoder.varint(64))
    if checksum:
        decoder.slice()
        decoder.slice()
    while (tag := decoder.varint(32)) != 0:
        if tag & 64:
            raise MissingError
        decoder.slice()
    return blob


def _wal(decoder: Decoder) -> tuple[int, int]:
    number, size = decoder.varint(64), -1
    while (tag := decoder.varint(32)) != 1:
        if tag != 2:
            raise MissingError
        size = decoder.varint(64)
        if size == 2**64 - 1:
            size = -1
    return number, size
