"""Damaged files of real databases: C and its Python twin say the same of each. `long` tries a hundred times as many."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import damaged
from tests.fuzz.seeds import blanked, make_databases
from tests.native.support import SEED, replay_both, scan_both
from tests.oracle.edit import MissingError
from tests.oracle.log import BLOCK, WITH_LOG_NUMBER, masked_crc
from tests.oracle.table import NOT_A_TABLE, RefusedError, identity_of
from walrus_fast import _native

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXAMPLES = (300, pytest.param(30_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)]))
_LARGEST = 40_000  # a block and a bit


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_databases(tmp_path_factory.mktemp("databases"), SEED)


def resealed(data: bytes, *, is_wal: bool) -> bytes:
    """With the checksums of what is in the records now, as far as their headers can be followed."""
    made = bytearray(data)
    at = 0
    while at + 7 <= len(made):
        room = BLOCK - at % BLOCK
        length, kind = int.from_bytes(made[at + 4 : at + 6], "little"), made[at + 6]
        if room < 7 or (length, kind) == (0, 0):
            at += room
            continue
        end = at + length + (11 if is_wal and kind in WITH_LOG_NUMBER else 7)
        if end > min(at + room, len(made)):
            break
        made[at : at + 4] = masked_crc(bytes(made[at + 6 : end])).to_bytes(4, "little")
        at = end
    return bytes(made)


def check(examples: int, inputs: st.SearchStrategy[bytes], agree: Callable[[bytes], object]) -> None:
    @seed(SEED)
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(inputs)
    def agrees(data: bytes) -> None:
        agree(data)

    print("WALRUS_FAST_SEED", SEED)
    agrees()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_manifests(databases: list[Path], examples: int) -> None:
    originals = [path.read_bytes()[:_LARGEST] for folder in databases for path in folder.glob("MANIFEST-*")]
    check(examples, damaged(originals, lambda data: resealed(data, is_wal=False)), replay_both)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_wals(databases: list[Path], examples: int) -> None:
    logs = [path for folder in databases for path in folder.glob("*.log") if path.stat().st_size]
    originals = [blanked(path.read_bytes())[:size] for path in logs for size in (600, _LARGEST)]
    number = int.from_bytes(originals[-1][7:11], "little")
    check(
        examples,
        damaged(originals, lambda data: resealed(data, is_wal=True)),
        lambda data: (scan_both(data), scan_both(data, number)),
    )


@pytest.mark.parametrize("examples", EXAMPLES)
def test_tables(databases: list[Path], tmp_path: Path, examples: int) -> None:
    tables = [path.read_bytes() for folder in databases for path in folder.glob("*.sst")]
    originals = [data for data in tables if len(data) < _LARGEST]
    assert originals
    path = tmp_path / "table.sst"

    def agree(data: bytes) -> None:
        path.write_bytes(data)
        try:
            expected = identity_of(data)
        except (RefusedError, MissingError):
            expected = NOT_A_TABLE
        assert _native.table_identities(-100, [os.fspath(path)]) == [expected]

    # Damage near the end, where all lies that is read.
    near_the_end = st.sampled_from(originals).flatmap(
        lambda data: damaged([data[-2000:]]).map(lambda tail: data[:-2000] + tail)
    )
    check(examples, near_the_end, agree)
