"""Databases made by RocksDB 9.8 in another process and still open there: what C reads is what RocksDB reports."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.native.make_database import SHAPES
from tests.native.support import CLEAN, SEED, picture, replay_both, scan_both
from tests.oracle.table import identity
from walrus_fast import _native

if TYPE_CHECKING:
    from collections.abc import Iterator

MAKER = Path(__file__).with_name("make_database.py")


@contextmanager
def open_database(path: Path, shape: str) -> Iterator[dict[str, Any]]:
    """Yields RocksDB's own report while the database is open."""
    print("seed", SEED)
    command = [sys.executable, str(MAKER), str(path), str(SEED), shape]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            assert process.wait() == 0


def manifest_of(path: Path) -> Path:
    return path / (path / "CURRENT").read_text().strip()


def check_tables(path: Path, replay: _native.ManifestReplay, report: dict[str, Any]) -> None:
    reported = sorted((int(f["name"].strip("/").removesuffix(".sst")), f["size"], f["level"]) for f in report["files"])
    assert [(number, size, level) for number, size, _, level, _ in replay.tables()] == reported
    names = [f"{table[0]:06d}.sst" for table in replay.tables()]
    sizes = [(entry[0], entry[3]) for entry in _native.stat_files(-100, [path / name for name in names])]
    assert sizes == [(0, table[1]) for table in replay.tables()]
    found = _native.table_identities(-100, [path / name for name in names])
    assert found == [identity(path / name) for name in names]
    for table, (status, session, db_id, number) in zip(replay.tables(), found, strict=True):
        assert (status, len(session), number) == (0, 20, table[0])
        assert db_id == replay.db_id == (path / "IDENTITY").read_text().strip()


def check_blobs(path: Path, replay: _native.ManifestReplay, report: dict[str, Any]) -> None:
    names = {number: name for number, name, _, _ in replay.families()}
    live = dict.fromkeys(report["blob_files"], 0)
    for number, _, family, is_live in replay.blobs():
        live[names[family]] += is_live
        assert not is_live or (path / f"{number:06d}.blob").exists()
    assert live == report["blob_files"]
    on_disk = {int(file.stem) for file in path.glob("*.blob")}
    assert on_disk == {number for number, _, _, is_live in replay.blobs() if is_live}


def check_wals(path: Path, replay: _native.ManifestReplay, report: dict[str, Any], shape: str) -> None:
    """The newest entry of all WALs that are needed has the database's last sequence number."""
    needed = max(replay.min_log_number_to_keep, min(log for _, _, log, _ in replay.families()))
    found = {}
    for file in path.glob("*.log"):
        found[int(file.stem)] = scan_both(file.read_bytes(), int(file.stem))
    last = max(last for number, (_, _, last, _, _) in found.items() if number >= needed)
    assert last == report["sequence"]
    if shape == "recycled":
        assert any(flags & 2 for *_, flags in found.values())
    else:
        assert all(state == CLEAN for _, _, _, state, _ in found.values())


@pytest.mark.parametrize("shape", SHAPES)
def test_open_database(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "db"
    with open_database(path, shape) as report:
        manifest = manifest_of(path)
        replay = replay_both(manifest.read_bytes())
        assert (replay.state, replay.reason) == (CLEAN, "")
        assert sorted(name for _, name, _, _ in replay.families()) == report["families"]
        assert all(comparator == "leveldb.BytewiseComparator" for *_, comparator in replay.families())
        assert replay.last_sequence <= report["sequence"]
        check_tables(path, replay, report)
        check_blobs(path, replay, report)
        check_wals(path, replay, report, shape)
        assert any(is_live for *_, is_live in replay.blobs())
        assert (manifest.name != "MANIFEST-000005") == (shape == "rotated")
        live_picture = picture(replay)
    # Closing flushes: the same replay goes on where it stopped.
    assert manifest_of(path) == manifest or shape == "rotated"
    with manifest.open("rb") as file:
        assert replay.feed(file.fileno()) > 0
    assert picture(replay) == picture(replay_both(manifest.read_bytes())) != live_picture


@pytest.mark.parametrize("shape", ["plain", "atomic"])
def test_every_truncation_of_a_real_manifest(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "db"
    with open_database(path, shape):
        data = manifest_of(path).read_bytes()
    grown = _native.ManifestReplay()
    offsets = []
    with (tmp_path / "copy").open("w+b", buffering=0) as file:
        for length in range(len(data)):
            file.write(data[length : length + 1])
            grown.feed(file.fileno())
            offsets.append(grown.offset)
    assert offsets == sorted(offsets)
    assert picture(grown) == picture(replay_both(data))
    for length in sorted({*offsets, *(offset - 1 for offset in offsets if offset)}):
        assert replay_both(data[:length]).offset == max(o for o in offsets if o <= length)
