"""What the tests of the native part share: the same bytes through C and through the Python twin."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.oracle import wal as wal_twin
from tests.oracle.manifest import ManifestTwin
from walrus_fast import _native

if TYPE_CHECKING:
    from collections.abc import Iterator

Replay = _native.ManifestReplay | ManifestTwin

SEED = int(os.environ.get("WALRUS_FAST_SEED", "20240817"))
"""Printed by every test that uses it; set the variable to repeat a run or to make another one."""

CLEAN, TORN, CORRUPT = _native.CLEAN, _native.TORN, _native.CORRUPT


@contextmanager
def file_of(data: bytes) -> Iterator[int]:
    fd = os.memfd_create("walrus-test")
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
        yield fd
    finally:
        os.close(fd)


def picture(replay: Replay) -> dict[str, Any]:
    """Everything that a replay shows."""
    return {
        "offset": replay.offset,
        "state": replay.state,
        "reason": replay.reason,
        "edits": replay.edits,
        "db_id": replay.db_id,
        "numbers": (
            replay.last_sequence,
            replay.next_file_number,
            replay.prev_log_number,
            replay.min_log_number_to_keep,
        ),
        "families": replay.families(),
        "tables": replay.tables(),
        "blobs": replay.blobs(),
        "wals": replay.wals(),
    }


def replay_both(data: bytes) -> _native.ManifestReplay:
    """Asserts that C and the twin say the same; returns the native replay."""
    native, twin = _native.ManifestReplay(), ManifestTwin()
    with file_of(data) as fd:
        applied = native.feed(fd)
    assert applied == twin.feed(data)
    assert picture(native) == picture(twin)
    return native


def scan_both(data: bytes, log_number: int = 5) -> tuple[int, int, int, int, int]:
    with file_of(data) as fd:
        native = _native.scan_wal(fd, log_number)
    assert native == wal_twin.scan_wal(data, log_number)
    return native
