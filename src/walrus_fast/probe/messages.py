"""What a probe is asked and what it says, one JSON document a line."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

__all__ = [
    "FamilyRead",
    "FamilyToOpen",
    "ProbeEnd",
    "ProbeFailure",
    "ProbeMessage",
    "ProbePace",
    "ProbeProgress",
    "ProbeRequest",
    "ProbeStep",
]


class FamilyToOpen(msgspec.Struct, frozen=True):
    """A column family and the comparator that the MANIFEST says it has."""

    name: str
    comparator: str


class ProbeRequest(msgspec.Struct, frozen=True):
    """Open `database`, a folder that only this probe uses; with `rows`, read every row of every family.

    `data_folders` is how many `db_paths` the MANIFEST speaks of: all of them are that one folder here.
    `options_folder` is an empty folder for an OPTIONS file of the probe's own. `rate` in bytes a second, 0 is
    unlimited. Only `families` are opened; `default` must be one of them.
    """

    database: str
    families: tuple[FamilyToOpen, ...]
    data_folders: int
    rows: bool
    options_folder: str
    rate: int = 0


class ProbePace(msgspec.Struct, frozen=True):
    """From the parent, at any time: another rate."""

    rate: int


class ProbeStep(msgspec.Struct, frozen=True, tag="step"):
    """What begins now; the last one says where a crash happened."""

    doing: str


class ProbeProgress(msgspec.Struct, frozen=True, tag="progress"):
    """Rows and bytes (keys and values) read so far, all families together."""

    rows: int
    bytes: int


class FamilyRead(msgspec.Struct, frozen=True, tag="family"):
    """A family that was opened and, if asked for, read. `error` in RocksDB's words; then rows are those before it."""

    name: str
    rows: int = 0
    bytes: int = 0
    error: str = ""


class ProbeFailure(msgspec.Struct, frozen=True, tag="failure"):
    """RocksDB would not open the database, in its words."""

    error: str


class ProbeEnd(msgspec.Struct, frozen=True, tag="end"):
    """All was done. `sequence` is the last sequence number after recovery; times in seconds."""

    sequence: int
    open_seconds: float
    read_seconds: float


ProbeMessage: TypeAlias = ProbeStep | ProbeProgress | FamilyRead | ProbeFailure | ProbeEnd
