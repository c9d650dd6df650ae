"""Behaviours of RocksDB's `backup_engine_test.cc`, by their own names. `docs/behaviours.md` says where the others are.

What is shared, and what it is called, is in `test_backup_engine_sharing`.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.engine.rows import expected, fill, rows
from tests.engine.steps import FILES, back_up, bring_back, listed, problems
from tests.support.faulty import FaultyFiles
from tests.support.untouched import is_clean, untouched
from walrus_fast.errors import BackupDamaged, BackupNotFound, StorageError
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.keeping.prune import prune_backups
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.operations.restore.restore import RestoreRequest, restore_backup
from walrus_fast.repository.catalog import load_backup
from walrus_fast.repository.layout import Layout
from walrus_fast.snapshot.model import SnapshotRequest
from walrus_fast.tiers import Tier
from workload.driver import running_writer
from workload.prefix import check_in_subprocess

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.engine import Engine
    from walrus_fast.operations.progress import JobProgress, Phase


def test_verify_backup(database: Path, repository: Path) -> None:
    """VerifyBackup: a file that is gone, bytes that were appended, and an id that nobody has."""
    for part in range(3):
        fill(database, 100 * part, 100 * part + 100)
        back_up(database, repository)
    assert problems(repository) == {}
    next((repository / "private" / "1").glob("OPTIONS-*")).unlink()
    with next((repository / "private" / "2").glob("MANIFEST-*")).open("ab") as file:
        file.write(b"Corrupting a random file")
    found = problems(repository)
    assert set(found) == {1, 2}
    assert "is missing" in found[1][0]
    assert "bytes instead of" in found[2][0]
    with pytest.raises(BackupNotFound):
        verify_backups(FILES, repository, ids=[6])


def test_offline_integration(database: Path, repository: Path) -> None:
    """OfflineIntegrationTest: write, close, back up, destroy, restore, five times, pruning towards the end."""
    for part in range(5):
        fill(database, 100 * part, 100 * part + 100)
        back_up(database, repository)
        shutil.rmtree(database)
        if part >= 3:
            prune_backups(FILES, repository, keep=5 - part)
        bring_back(repository, database)
        assert rows(database) == expected((0, 100 * part + 100, "a"))
    assert listed(repository) == {5: True}


def test_online_integration(database: Path, repository: Path, tmp_path: Path, seed: int) -> None:
    """OnlineIntegrationTest: five hot backups, one deleted meanwhile; each is restored; then fewer and fewer."""
    taken = {}
    with running_writer(database, seed=seed, rate=3000, memtable_size=128 << 10) as writer:
        for number in range(1, 6):
            if number == 5:
                delete_backup(FILES, repository, 2)
            lower = writer.advance(400)
            back_up(database, repository)
            taken[number] = (lower, writer.acknowledged + 1)
    shutil.rmtree(database)
    with pytest.raises(BackupNotFound):
        bring_back(repository, database, 2)
    del taken[2]
    delete_backup(FILES, repository, 4)
    for number in (1, 3, 5):
        bring_back(repository, tmp_path / "out", number)
        check_in_subprocess(tmp_path / "out", seed, lower=taken[number][0], upper=taken[number][1])
    assert prune_backups(FILES, repository, keep=2).removed == (1,)
    delete_backup(FILES, repository, 5)
    bring_back(repository, database)
    check_in_subprocess(database, seed, lower=taken[3][0], upper=taken[3][1])


def test_corruptions(database: Path, repository: Path) -> None:
    """CorruptionsTest: a failed write, a damaged meta, a missing file, wrong checksums. Older backups stay fine,
    nothing damaged goes by itself, deleting it works. A restore of the latest never slips to an older one."""
    for part in range(5):
        fill(database, 100 * part, 100 * part + 100)
        back_up(database, repository)
    with pytest.raises(StorageError):
        back_up(database, repository, files=FaultyFiles(3, number=errno.ENOSPC))
    assert problems(repository) == {}
    metas = {number: repository / "meta" / str(number) for number in range(1, 6)}
    metas[5].write_bytes(metas[5].read_bytes()[3:])
    next((repository / "private" / "4").glob("MANIFEST-*")).unlink()
    lines = metas[3].read_text().splitlines()
    metas[3].write_text("\n".join([*lines[:3], lines[3].rpartition(" ")[0] + " 12345678901", *lines[4:]]) + "\n")
    lines = metas[2].read_text().splitlines()
    metas[2].write_text("\n".join([*lines[:3], lines[3].rpartition(" ")[0] + " 12345", *lines[4:]]) + "\n")
    assert listed(repository) == {1: True, 2: False, 3: False, 4: False, 5: False}
    with untouched(repository):
        for number in (None, 5, 4, 3, 2):
            with pytest.raises(BackupDamaged):
                bring_back(repository, database, number)
    for number in (5, 4, 3, 2):
        delete_backup(FILES, repository, number)
        assert not (repository / "private" / str(number)).exists()
    bring_back(repository, database)
    assert rows(database) == expected((0, 100, "a"))
    assert back_up(database, repository).backup_id == 2
    is_clean(repository, database)


@pytest.mark.parametrize("kind", ["sst", "blob"])
def test_file_corrupted_before_backup(database: Path, repository: Path, kind: str) -> None:
    """TableFileCorruptedBeforeBackup, BlobFileCorruptedBeforeBackup: a backup takes the bytes that are there, as
    RocksDB does where the database holds no checksums of its files. `verify --tier rows` is what finds them."""
    fill(database, 0, 200)
    path = max(database.glob(f"*.{kind}"))
    data = bytearray(path.read_bytes())
    data[300] ^= 255
    path.write_bytes(data)
    back_up(database, repository)
    assert problems(repository) == {}
    assert set(problems(repository, Tier.ROWS)) == {1}


def test_interrupt_creation(database: Path, repository: Path) -> None:
    """InterruptCreationTest: the backup fails, and so does cleaning up after it; the next one succeeds."""
    fill(database, 0, 200)
    back_up(database, repository)
    shutil.rmtree(repository)
    for fail_at in range(1, 40, 3):
        counted = ("create", "write_all", "rename", "unlink", "remove_tree", "make_directory", "sync")
        files = FaultyFiles(fail_at, counted=counted, for_good=True)
        with suppress(StorageError):
            back_up(database, repository, files=files)
        back_up(database, repository)
        assert problems(repository) == {}
        is_clean(repository, database)
        assert all(listed(repository).values())
    assert rows(database) == expected((0, 200, "a"))


def test_backup_options(database: Path, repository: Path) -> None:
    """BackupOptions: each backup has the OPTIONS file that was the newest one then, and no other."""
    for number in range(1, 5):
        fill(database, 0, 10)  # opening and closing the database writes another one
        newest = max(path.name for path in database.glob("OPTIONS-*"))
        back_up(database, repository)
        assert [path.name for path in (repository / "private" / str(number)).glob("OPTIONS-*")] == [newest]


class Rotating(Files):
    """The owner replaces its OPTIONS file between our listing and our read, so many times."""

    def __init__(self, database: Path, times: int) -> None:
        self._database = database
        self._times = times

    def list_directory(self, path: Path | str) -> list[tuple[str, bool]]:
        found = super().list_directory(path)
        if self._times and str(path) == str(self._database):
            self._times -= 1
            newest = max(self._database.glob("OPTIONS-*"))
            newest.rename(newest.with_name(f"OPTIONS-{int(newest.name[8:]) + 2:06d}"))
        return found


@pytest.mark.parametrize("times", [1, 4])
def test_set_options_backup_race_condition(database: Path, repository: Path, times: int) -> None:
    """SetOptionsBackupRaceCondition: the OPTIONS file is rotated away while the backup looks for it."""
    fill(database, 0, 10)
    for path in sorted(database.glob("OPTIONS-*"))[:-1]:
        path.unlink()
    back_up(database, repository, files=Rotating(database, times))
    (stored,) = (repository / "private" / "1").glob("OPTIONS-*")
    assert stored.read_bytes() == max(database.glob("OPTIONS-*")).read_bytes()


def test_no_delete_with_read_only(database: Path, repository: Path) -> None:
    """NoDeleteWithReadOnly: an old LATEST_BACKUP that names another one is not believed; readers leave all alone."""
    fill(database, 0, 10)
    for _ in range(5):
        back_up(database, repository)
    (repository / "LATEST_BACKUP").write_text("4")
    with untouched(repository):
        assert list(listed(repository)) == [1, 2, 3, 4, 5]
        assert bring_back(repository, database).backup_id == 5
    assert back_up(database, repository).backup_id == 6


def test_incremental_restore(database: Path, repository: Path, tmp_path: Path) -> None:
    """IncrementalRestore, its mode kVerifyChecksum: what is intact is taken from the database that is there, a hole and
    damaged files come from the backup. It is always so, where it saves copying."""
    for part in range(3):
        fill(database, 100 * part, 100 * part + 100)
    back_up(database, repository)
    original = {path.name: path.read_bytes() for path in (*database.glob("*.sst"), *database.glob("*.blob"))}
    tables, blobs = sorted(database.glob("*.sst")), sorted(database.glob("*.blob"))
    for hole in (tables[0], blobs[0]):
        hole.unlink()
    for damaged in (tables[1], blobs[1]):
        data = bytearray(damaged.read_bytes())
        data[100] ^= 255
        damaged.write_bytes(data)
    request = RestoreRequest(repository, database, mode=TransferMode.COPY, force=True, open_first=False)
    report = restore_backup(FILES, request)
    assert {name: (database / name).read_bytes() for name in original} == original
    assert report.bytes_reused == sum(len(original[path.name]) for path in (tables[2], blobs[2]))
    assert rows(database) == expected((0, 300, "a"))


def test_progress_callback_during_backup(database: Path, repository: Path) -> None:
    """ProgressCallbackDuringBackup: an exception out of it ends the backup, and nothing of that is left."""
    fill(database, 0, 200)
    seen: list[JobProgress] = []
    request = CreateRequest(SnapshotRequest(database), repository, mode=TransferMode.COPY, sync=False)
    create_backup(FILES, request, observer=seen.append)
    phases = list(dict.fromkeys(progress.phase for progress in seen))
    assert len(phases) >= 3

    class StoppedError(Exception):
        pass

    for phase in phases:

        def stop(progress: JobProgress, phase: Phase = phase) -> None:
            if progress.phase is phase:
                raise StoppedError

        shutil.rmtree(repository, ignore_errors=True)
        with pytest.raises(StoppedError):
            create_backup(FILES, request, observer=stop)
        if repository.exists():
            assert listed(repository) == {}
            is_clean(repository, database)


@pytest.mark.parametrize("metadata", [b"0", b"abc\ndef\0ghi", bytes(range(256)) * 16])
def test_backup_with_metadata(engine: Engine, database: Path, repository: Path, metadata: bytes) -> None:
    """BackupWithMetadata, BinaryMetadata: any bytes, and RocksDB reads what we wrote; we read what it wrote."""
    fill(database, 0, 10)
    back_up(database, repository, metadata=metadata)
    engine.backup(database, repository, "metadata=of RocksDB's")
    assert engine.backups(repository) == {1: metadata.hex(), 2: b"of RocksDB's".hex()}
    assert listed(repository) == {1: True, 2: True}


def schema_2(repository: Path, backup_id: int, *, version: str = "2", crc: bool = True, size: bool = False) -> str:
    """The meta of a backup of RocksDB's, as TEST_BackupMetaSchemaOptions would write it."""
    lines = (repository / "meta" / str(backup_id)).read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if "/" in line)
    head = [line for line in lines[:first] if not line.startswith("schema_version")]
    out = [f"schema_version {version}", *head]
    for line in lines[first:]:
        if "/" not in line:
            break
        path, _, value = line.split(" ")[:3]
        out.append(path + (f" crc32 {value}" if crc else "") + size * f" size {os.stat(repository / path).st_size}")
    return "\n".join(out) + "\n"


def test_meta_schema_version_2_size_corruption(engine: Engine, database: Path, repository: Path) -> None:
    """MetaSchemaVersion2_SizeCorruption: a wrong size shows at once where meta holds sizes, else in the checksum, and
    where meta holds neither, RocksDB restores what is there. We look into the MANIFEST, too."""
    fill(database, 0, 100)
    for number, (crc, size) in enumerate(((True, False), (False, False), (False, True), (True, True)), 1):
        engine.backup(database, repository)
        (repository / "meta" / str(number)).write_text(schema_2(repository, number, crc=crc, size=size))
    assert problems(repository) == {}
    for number in (1, 2, 3):
        (repository / "private" / str(number) / "CURRENT").write_text("x")
    current = repository / "private" / "4" / "CURRENT"
    current.write_bytes(b"x" * current.stat().st_size)
    assert listed(repository) == {1: True, 2: True, 3: False, 4: True}
    assert set(problems(repository, Tier.CHECKSUMS)) == {1, 3, 4}
    assert set(problems(repository)) == {1, 2, 3, 4}
    for number in (1, 2, 3, 4):
        with pytest.raises(BackupDamaged):
            bring_back(repository, database, number)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("schema_version 2", "schema_version 3"),
        lambda text: text.replace("schema_version 2", "schema_version 23.45.67"),
        lambda text: text.replace("\n", "\nni::blah 123\n", 3).replace("\nni::blah 123", "", 2),
        lambda text: text.replace(" crc32", " ni::123 xyz crc32", 1),
        lambda text: text + "// FOOTER\nni::123 xyz\n",
    ],
    ids=["version-3", "version-23", "meta-field", "file-field", "footer-field"],
)
def test_meta_schema_version_2_not_supported(engine: Engine, database: Path, repository: Path, change: object) -> None:
    """MetaSchemaVersion2_NotSupported: what says that it must be understood, and is not, makes a backup unusable; the
    others are not touched by that, and no shared file is deleted any more."""
    fill(database, 0, 100)
    for _ in range(2):
        engine.backup(database, repository)
    (repository / "meta" / "1").write_text(schema_2(repository, 1))
    text = schema_2(repository, 2)
    assert callable(change)
    changed = change(text)
    assert changed != text
    (repository / "meta" / "2").write_text(changed)
    assert engine.backups(repository) == {1: "-", 2: "corrupt"}
    assert listed(repository) == {1: True, 2: False}
    bring_back(repository, database, 1)
    assert rows(database) == expected((0, 100, "a"))
    assert delete_backup(FILES, repository, 1).shared_files_kept


def test_meta_schema_version_2_restore(engine: Engine, database: Path, repository: Path, tmp_path: Path) -> None:
    """MetaSchemaVersion2_Restore: with checksums, sizes, both, neither; fields of a newer minor version are ignored."""
    for number in range(1, 6):
        fill(database, 100 * number, 100 * number + 100)
        engine.backup(database, repository, "schema=2")
    for number, (crc, size) in enumerate(((False, False), (False, True), (True, True)), 1):
        (repository / "meta" / str(number)).write_text(schema_2(repository, number, crc=crc, size=size))
    later = schema_2(repository, 5, version="2.5.70").splitlines()
    later[2:3] = [later[2], "asdf.3456 -42", "__QRST  1 $ %%& "]
    later = [line + " z94._ ^\\ _7yyyyyyyyy 111111111111" if "/" in line else line for line in later]
    later += ["// FOOTER", "Qwzn.tz89 ASDF!!@# ##=\t ", "yes no!"]
    (repository / "meta" / "5").write_text("\n".join(later) + "\n")
    assert engine.backups(repository) == dict.fromkeys(range(1, 6), "-")
    assert problems(repository) == {}
    for number in range(1, 6):
        bring_back(repository, tmp_path / "out", number)
        assert rows(tmp_path / "out") == expected((100, 100 * number + 100, "a"))
    back_up(database, repository)
    assert problems(repository) == {}
    assert load_backup(FILES, Layout(repository), 6).manifest is not None
