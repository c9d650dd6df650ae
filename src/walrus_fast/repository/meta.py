"""`meta/<id>`: RocksDB's own record of a backup.

Schema 1 is written, because every RocksDB ever released reads it; 1 and 2.x are read. Format:
`BackupMeta::LoadFromFile` in RocksDB's `utilities/backup/backup_engine.cc`. A meta file may have been written by
an attacker: nothing in it is believed before it has been checked, and no path in it leads out of the repository.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from walrus_fast.errors import BackupDamaged
from walrus_fast.repository.layout import restored_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BackupMeta", "MetaFile", "decode_meta", "encode_meta"]

MAX_META_BYTES = 1 << 30
_NUMBER = re.compile(r"[0-9]{1,20}")


class MetaFile(msgspec.Struct, frozen=True, gc=False):
    """A file of a backup. `crc32c` and `size` are None where the schema leaves them out."""

    path: str
    crc32c: int | None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class BackupMeta:
    """`timestamp` in seconds since 1970, `metadata` the application's bytes."""

    timestamp: int
    sequence: int
    files: tuple[MetaFile, ...]
    metadata: bytes = b""


def encode_meta(meta: BackupMeta) -> bytes:
    """Schema 1. Every file must have its crc32c."""
    lines = [str(meta.timestamp), str(meta.sequence)]
    if meta.metadata:
        lines.append(f"metadata {meta.metadata.hex().upper()}")
    lines.append(str(len(meta.files)))
    lines += [f"{file.path} crc32 {file.crc32c}" for file in meta.files]
    return ("\n".join(lines) + "\n").encode()


def decode_meta(data: bytes, backup_id: int) -> BackupMeta:
    """Parse the meta file of a backup.

    Raises: BackupDamaged naming the line.
    """
    name = f"meta/{backup_id}"
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError as exc:
        raise BackupDamaged(f"{name} is damaged: byte {exc.start} is not text") from exc
    if lines and lines[-1] == "":
        lines.pop()
    reader = _Lines(lines, name, backup_id)
    major = _schema(reader)
    timestamp, sequence = reader.number("the time"), reader.number("the sequence number")
    metadata = b""
    while not _NUMBER.fullmatch(reader.peek()):
        field, _, value = reader.take().partition(" ")
        if field == "metadata":
            metadata = _hex(reader, value)
        elif major == 1:
            raise reader.error("neither the number of files nor metadata")
        elif field.startswith("ni::"):
            raise reader.error(f"the field {field} of a newer version")
    count = reader.number("the number of files")
    if count > reader.left:
        raise reader.error(f"{count} files are announced, {reader.left} lines follow")
    if major == 1:
        files = tuple(_file_schema1(reader, line) for line in reader.each(count))
    else:
        files = tuple(_file_schema2(reader, line) for line in reader.each(count))
    if reader.left and (major == 1 or reader.take() != "// FOOTER"):
        raise reader.error(f"more lines than the {count} files announced")
    while reader.left:
        if (field := reader.take().partition(" ")[0]).startswith("ni::"):
            raise reader.error(f"the field {field} of a newer version")
    if len({restored_name(file.path, backup_id) for file in files}) != count:
        raise reader.error("two files would restore to one name")
    return BackupMeta(timestamp, sequence, files, metadata)


class _Lines:
    def __init__(self, lines: list[str], name: str, backup_id: int) -> None:
        self.backup_id = backup_id
        self._lines = lines
        self._name = name
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._lines) - self._at

    def error(self, what: str) -> BackupDamaged:
        return BackupDamaged(f"{self._name} is damaged at line {self._at}: {what}")

    def peek(self) -> str:
        if not self.left:
            raise self.error("it ends too early")
        return self._lines[self._at]

    def take(self) -> str:
        line = self.peek()
        self._at += 1
        return line

    def each(self, count: int) -> Iterator[str]:
        """As many lines, one after the other."""
        for line in self._lines[self._at : self._at + count]:
            self._at += 1
            yield line

    def number(self, what: str) -> int:
        line = self.take()
        if not _NUMBER.fullmatch(line) or int(line) >= 1 << 64:
            raise self.error(f"{what} is not a number")
        return int(line)


def _schema(reader: _Lines) -> int:
    first = reader.peek()
    if not first.startswith("schema_version "):
        return 1
    version = reader.take().removeprefix("schema_version ")
    if version != "2" and not version.startswith("2."):
        raise reader.error(f"schema version {version[:20]} is not known")
    return 2


def _hex(reader: _Lines, value: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except ValueError as exc:
        raise reader.error("metadata is not hexadecimal") from exc


def _checked_path(reader: _Lines, path: str) -> str:
    if restored_name(path, reader.backup_id) is None:
        raise reader.error(f"{path[:100]!r} is not a path of this backup")
    return path


def _crc(reader: _Lines, value: str) -> int:
    if not _NUMBER.fullmatch(value) or str(int(value)) != value or int(value) >= 1 << 32:
        raise reader.error(f"{value[:20]!r} is not a crc32c")
    return int(value)


def _file_schema1(reader: _Lines, line: str) -> MetaFile:
    parts = line.split(" ")
    if len(parts) != 3 or parts[1] != "crc32":
        raise reader.error("not a file, `crc32` and a checksum")
    return MetaFile(_checked_path(reader, parts[0]), _crc(reader, parts[2]))


def _file_schema2(reader: _Lines, line: str) -> MetaFile:
    parts = line.split(" ")
    if len(parts) % 2 != 1:
        raise reader.error("fields and values do not come in pairs")
    fields = dict(zip(parts[1::2], parts[2::2], strict=True))
    if unknown := [name for name in fields if name.startswith("ni::")]:
        raise reader.error(f"the field {unknown[0]} of a newer version")
    size = fields.get("size")
    if size is not None and not _NUMBER.fullmatch(size):
        raise reader.error(f"{size[:20]!r} is not a size")
    crc = fields.get("crc32")
    return MetaFile(
        _checked_path(reader, parts[0]),
        None if crc is None else _crc(reader, crc),
        None if size is None else int(size),
    )
