"""What each tier sees that the ones before cannot: damage that every checksum agrees with, because it was sealed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import crc32c
import pytest

from tests.oracle.encode import LogWriter, batch, prefixed
from tests.verify.backups import (
    back_up,
    file_of_kind,
    kind_of,
    paths_of,
    reseal,
    rewrite_log,
)
from walrus_fast.files import Files
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.operations.proof.verify import BackupVerdict, verify_backups
from walrus_fast.operations.restore.drill import DrillRequest, drill_backup
from walrus_fast.repository.verification import Tier
from walrus_fast.rocksdb.names import FileKind
from walrus_fast.rocksdb.wal import scan_wal
from walrus_fast.snapshot.model import SnapshotRequest
from workload.driver import running_writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FAMILIES = ("default", "overwritten", "small", "deleted", "appended", "blobs")


def verify(repository: Path, backup_id: int = 1, tier: Tier = Tier.ROWS) -> BackupVerdict:
    (verdict,) = verify_backups(Files(), repository, ids=[backup_id], tier=tier).backups
    return verdict


def test_a_sound_backup_passes_every_tier(sound: Path) -> None:
    for tier in Tier:
        report = verify_backups(Files(), sound, tier=tier)
        for verdict in report.backups:
            assert (verdict.tier, verdict.problems, verdict.notes) == (tier, (), ())
    assert all(set(verdict.families) == set(FAMILIES) for verdict in report.backups)
    assert all(verdict.rows > 1000 for verdict in report.backups)


def test_shared_files_are_read_once(sound: Path) -> None:
    report = verify_backups(Files(), sound)
    unique = {path for id_ in (1, 2, 3) for path in paths_of(sound, id_)}
    assert report.files_read == len(unique)
    assert report.bytes_read == sum((sound / path).stat().st_size for path in unique)
    assert report.bytes_read < sum(verdict.bytes for verdict in report.backups)


@pytest.mark.parametrize("kind", ["table", "blob"])
def test_closure_names_the_file_that_the_manifest_needs(repository: Path, kind: str) -> None:
    path = file_of_kind(repository, 1, kind)
    reseal(repository, 1, without=path)
    assert verify(repository, tier=Tier.CHECKSUMS).problems == ()
    verdict = verify(repository)
    (found,) = verdict.damage
    assert (found.tier, verdict.tier) == (Tier.CLOSURE, Tier.CHECKSUMS)
    number = path.removeprefix("shared_checksum/").split("_")[0]
    assert f"names {number}." in found.problem
    assert verify(repository, 2).problems == ()


def test_closure_sees_a_file_of_another_size(repository: Path) -> None:
    path = file_of_kind(repository, 1, "table")
    size = (repository / path).stat().st_size
    smaller = path.replace(f"_{size}.", f"_{size - 1}.")
    (repository / smaller).write_bytes((repository / path).read_bytes()[:-1])
    (repository / ".walrus-fast/manifests/1").unlink()
    text = (repository / "meta/1").read_text().replace(path, smaller).splitlines()
    crc = crc32c.crc32c((repository / smaller).read_bytes())
    text = [f"{smaller} crc32 {crc}" if line.startswith(smaller) else line for line in text]
    (repository / "meta/1").write_text("\n".join(text) + "\n")
    verdict = verify(repository)
    (found,) = verdict.damage
    assert (found.tier, found.file, found.expected) == (Tier.CLOSURE, smaller, f"{size} bytes")


def test_closure_sees_logs_that_end_too_early(repository: Path) -> None:
    wals = sorted(path for path in paths_of(repository, 1) if kind_of(path) is FileKind.WAL)
    last = repository / wals[-1]
    with last.open("rb") as file:
        assert scan_wal(file.fileno(), int(last.stem)).batches > 2
    last.write_bytes(last.read_bytes()[:-10])
    reseal(repository, 1)
    verdict = verify(repository)
    (found,) = verdict.damage
    assert found.tier is Tier.CLOSURE
    assert "captured was" in found.problem
    assert "is complete up to byte" in verdict.notes[0]


def test_a_file_that_the_manifest_does_not_need_is_a_note(repository: Path) -> None:
    extra = [path for path in paths_of(repository, 3) if kind_of(path) is FileKind.TABLE]
    new = next(path for path in extra if path not in paths_of(repository, 1))
    meta = repository / "meta/1"
    lines = meta.read_text().splitlines()
    line = next(line for line in (repository / "meta/3").read_text().splitlines() if line.startswith(new))
    lines[2] = str(int(lines[2]) + 1)
    meta.write_text("\n".join([*lines, line]) + "\n")
    (repository / ".walrus-fast/manifests/1").unlink()
    verdict = verify(repository)
    assert verdict.problems == ()
    assert any("not needed by the MANIFEST" in note for note in verdict.notes)


def test_rocksdb_finds_a_flipped_block_that_checksums_agree_with(repository: Path) -> None:
    path = repository / file_of_kind(repository, 1, "blob")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for id_ in (1, 2):
        reseal(repository, id_)
    assert verify(repository, tier=Tier.OPENED).problems == ()
    for id_ in (1, 2):
        verdict = verify(repository, id_)
        assert verdict.tier is Tier.OPENED
        assert verdict.damage[0].tier is Tier.ROWS
        assert "column family blobs" in verdict.problems[0]
        assert set(verdict.families) == set(FAMILIES) - {"blobs"}


def test_rocksdb_finds_a_table_without_a_footer(repository: Path) -> None:
    path = repository / file_of_kind(repository, 1, "table")
    path.write_bytes(path.read_bytes()[:-53] + bytes(53))
    for id_ in (1, 2):
        reseal(repository, id_)
    assert verify(repository, tier=Tier.CLOSURE).problems == ()
    verdict = verify(repository)
    assert verdict.tier is Tier.CLOSURE
    assert verdict.damage[0].tier is Tier.OPENED


def test_a_database_in_several_folders_is_opened(tmp_path: Path) -> None:
    fast, slow = tmp_path / "fast", tmp_path / "slow"
    folders = ((fast, 1 << 18), (slow, 1 << 30))
    with running_writer(tmp_path / "db", seed=5, db_paths=folders, memtable_size=64 << 10) as writer:
        writer.advance(4000)
        writer.kill()
    source = SnapshotRequest(tmp_path / "db", data_dirs=(fast, slow))
    create_backup(Files(), CreateRequest(source, tmp_path / "repo"))
    assert verify(tmp_path / "repo").tier is Tier.ROWS


def rename_comparator(of: bytes) -> Callable[[bytes], bytes]:
    def change(payload: bytes) -> bytes:
        if of not in payload:
            return payload
        return payload.replace(b"leveldb.BytewiseComparator", b"somebody.elses.Comparator.")

    return change


def test_a_family_with_an_unknown_comparator_is_said_not_to_be_covered(repository: Path) -> None:
    rewrite_log(repository / file_of_kind(repository, 1, "manifest"), rename_comparator(b"overwritten"))
    reseal(repository, 1)
    verdict = verify(repository)
    assert (verdict.tier, verdict.problems) == (Tier.ROWS, ())
    assert set(verdict.families) == set(FAMILIES) - {"overwritten"}
    assert verdict.families_left_out == {"overwritten": "its comparator somebody.elses.Comparator. is not known here"}


def test_nothing_is_proven_when_the_default_family_cannot_be_opened(repository: Path) -> None:
    rewrite_log(repository / file_of_kind(repository, 1, "manifest"), rename_comparator(b"leveldb"))
    reseal(repository, 1)
    verdict = verify(repository)
    assert (verdict.tier, verdict.problems, verdict.families) == (Tier.CLOSURE, (), ())
    assert set(verdict.families_left_out or {}) == set(FAMILIES)
    drilled = drill_backup(Files(), DrillRequest(repository, 1))
    assert not drilled.succeeded
    assert "nothing is proven" in drilled.problems[0]


def test_merged_rows_are_read_without_the_merge_operator(repository: Path) -> None:
    """A real WAL with merge operands at its end, as Walrus' blob-info family has them."""
    before = verify(repository).rows
    wals = sorted(path for path in paths_of(repository, 1) if kind_of(path) is FileKind.WAL)
    path = repository / wals[-1]
    with path.open("rb") as file:
        last = scan_wal(file.fileno(), int(path.stem)).last_sequence
    assert last is not None
    writer = LogWriter()
    writer.raw(path.read_bytes())
    for index, operand in enumerate((b"one", b"two", b"three")):
        record = b"\x02" + prefixed(b"~merged") + prefixed(operand)
        writer.add(batch(last + 1 + index, 1, record))
    path.write_bytes(bytes(writer.data))
    reseal(repository, 1)
    verdict = verify(repository)
    assert (verdict.tier, verdict.problems) == (Tier.ROWS, ())
    assert verdict.rows == before + 1


def test_a_backup_that_rocksdb_made_is_noted(repository: Path) -> None:
    (repository / ".walrus-fast/manifests/2").unlink()
    verdict = verify(repository, 2)
    assert (verdict.tier, verdict.problems) == (Tier.ROWS, ())
    assert "no manifest of ours" in verdict.notes[0]


def test_backups_of_an_idle_database(tmp_path: Path) -> None:
    """No row at all is a proof as well."""
    with running_writer(tmp_path / "db", seed=1, steps=0) as writer:
        writer.wait()
    back_up(tmp_path / "db", tmp_path / "repo")
    verdict = verify(tmp_path / "repo")
    assert (verdict.tier, verdict.problems) == (Tier.ROWS, ())
