"""Databases made by Debian's db_bench (RocksDB 7.8); ldb and sst_dump tell the truth about them."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.native.support import CLEAN, SEED, replay_both, scan_both
from tests.oracle.table import identity
from walrus_fast import _native

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("ldb", "db_bench", "sst_dump")), reason="needs rocksdb-tools"
)

BLOBS = ("--enable_blob_files=true", "--min_blob_size=150", "--enable_blob_garbage_collection=true")
VARIANTS = {
    "version2": ("--format_version=2",),
    "version3": ("--format_version=3", "--num_column_families=3"),
    "version4-blobs": ("--format_version=4", "--num_column_families=3", *BLOBS),
    "version5-compressed-wal": ("--format_version=5", "--wal_compression=zstd"),
    "tracked-wals": ("--format_version=5", "--track_and_verify_wals_in_manifest=true", "--sync=true", "--num=4000"),
    "plain-table": ("--use_plain_table=true", "--mmap_read=true", "--prefix_size=4", "--keys_per_prefix=10"),
    "cuckoo-table": ("--use_cuckoo_table=true", "--mmap_read=true"),
}


@pytest.fixture(scope="module", params=VARIANTS)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("bench") / "db"
    command = ["db_bench", "--benchmarks=fillrandom", f"--db={path}", f"--seed={SEED}", "--value_size=200"]
    command += ["--num=9000", "--write_buffer_size=300000", "--target_file_size_base=100000", "--threads=1"]
    command += ["--compression_type=none", *VARIANTS[request.param]]
    print("seed", SEED)
    subprocess.run(command, check=True, capture_output=True)
    return path


def output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


@cache
def manifest_dump(path: Path) -> str:
    (manifest,) = path.glob("MANIFEST-*")
    return output("ldb", "manifest_dump", f"--path={manifest}")


def verbose_dump(path: Path) -> str:
    (manifest,) = path.glob("MANIFEST-*")
    return output("ldb", "manifest_dump", "--verbose", f"--path={manifest}")


def native(path: Path) -> _native.ManifestReplay:
    (manifest,) = path.glob("MANIFEST-*")
    replay = replay_both(manifest.read_bytes())
    assert (replay.state, replay.reason) == (CLEAN, "")
    return replay


def dumped_tables(text: str) -> list[tuple[int, int, int, int]]:
    """(number, size, level, family)"""
    found, level, family = [], -1, -1
    for line in text.splitlines():
        if match := re.search(r"\(ID (\d+)\)", line):
            family = int(match[1])
        elif match := re.match(r"--- level (\d+) ---", line):
            level = int(match[1])
        elif match := re.match(r" (\d+):(\d+)\[", line):
            found.append((int(match[1]), int(match[2]), level, family))
    return sorted(found)


def test_tables_and_numbers(database: Path) -> None:
    text, replay = manifest_dump(database), native(database)
    tables = [(number, size, level, family) for number, size, _, level, family in replay.tables()]
    assert tables == dumped_tables(text)
    assert tables
    families = re.findall(r'"(.*)"  \(ID (\d+)\).*\nlog number: (\d+)\ncomparator: (.*)', text)
    assert replay.families() == sorted((int(id_), name, int(log), order) for name, id_, log, order in families)
    tail = re.search(
        r"next_file_number (\d+) last_sequence (\d+)  prev_log_number (\d+) max_column_family \d+ "
        r"min_log_number_to_keep (\d+)",
        text,
    )
    assert tail is not None
    # RocksDB sets its counter to one above the number that the MANIFEST states.
    numbers = (replay.next_file_number + 1, replay.last_sequence, replay.prev_log_number, replay.min_log_number_to_keep)
    assert numbers == tuple(map(int, tail.groups()))


def test_blob_files(database: Path) -> None:
    pattern = r"blob_file_number: (\d+) total_blob_count: \d+ total_blob_bytes: (\d+)"
    dumped = sorted((int(number), int(size)) for number, size in re.findall(pattern, manifest_dump(database)))
    replay = native(database)
    assert [(number, size) for number, size, _, live in replay.blobs() if live] == dumped
    assert {int(path.stem) for path in database.glob("*.blob")} >= {number for number, _ in dumped}


def test_wals(database: Path) -> None:
    files = list(database.glob("*.log"))
    assert files
    tracked = native(database).wals()
    for file in files:
        complete, batches, last, state, flags = scan_both(file.read_bytes(), int(file.stem))
        assert (complete, state) == (file.stat().st_size, CLEAN)
        lines = output("ldb", "dump_wal", f"--walfile={file}").splitlines()
        dumped = [tuple(map(int, line.split(",")[:2])) for line in lines if re.match(r"\d+,\d+,", line)]
        assert batches == len(dumped)
        if not flags & 1:
            assert last == (sum(dumped[-1]) - 1 if dumped else -1)
        assert dict(tracked).get(int(file.stem), -1) <= complete


def test_tracked_wals(database: Path) -> None:
    """The verbose dump repeats each edit's WAL additions and deletions in words."""
    text = verbose_dump(database)
    floor = max(map(int, re.findall(r"WalDeletion: log_number: (\d+)", text)), default=0)
    added = re.findall(r"WalAddition: log_number: (\d+) synced_size_in_bytes: (\d+)", text)
    sizes = {int(number): int(size) for number, size in added if int(number) >= floor}
    unknown = (1 << 64) - 1
    assert native(database).wals() == sorted((n, -1 if size == unknown else size) for n, size in sizes.items())


def test_identities(database: Path) -> None:
    files = sorted(database.glob("*.sst"))
    found = _native.table_identities(-100, files)
    assert found == [identity(file) for file in files]
    db_id = (database / "IDENTITY").read_text().strip()
    assert [entry[2:] for entry in found] == [(db_id, int(file.stem)) for file in files]
    for file, (status, session, _, number) in zip(files[:5], found, strict=False):
        assert (status, len(session)) == (0, 20)
        if is_block_based(file):  # sst_dump reads no others
            text = output("sst_dump", f"--file={file}", "--show_properties", "--command=none")
            assert f"DB identity: {db_id}\n" in text
            assert f"DB session identity: {session}\n" in text
            assert f"original file number: {number}\n" in text


def is_block_based(file: Path) -> bool:
    return file.read_bytes()[-8:] == (0x88E241B785F4CFF7).to_bytes(8, "little")
