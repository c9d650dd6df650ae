"""Behaviours of RocksDB's `backup_engine_test.cc`: where shared files lie, what they are called, what is swept.

The repositories are RocksDB's own, made by its engine with the options of the original test; ours goes on with them.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.engine.old_tables import without_session_ids
from tests.engine.rows import expected, fill, rows
from tests.engine.steps import FILES, back_up, bring_back, listed, problems, shared
from tests.support.untouched import is_clean
from walrus_fast.operations.backup.adopt import adopt_repository
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.keeping.prune import prune_backups

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.engine.engine import Engine

LAYOUTS = {
    "none": ("share=none",),
    "plain": ("share=plain",),
    "legacy": ("naming=legacy",),
    "session": ("naming=session",),
    "default": (),
}


def restores_to(repository: Path, folder: Path, wanted: dict[int, dict[int, bytes]]) -> None:
    """Every backup gives back its rows."""
    for number, there in wanted.items():
        bring_back(repository, folder / "restored", number)
        assert rows(folder / "restored") == there
        shutil.rmtree(folder / "restored")


def both_continue(
    engine: Engine, database: Path, repository: Path, folder: Path, options: tuple[str, ...]
) -> dict[int, dict[int, bytes]]:
    """RocksDB's backup, then ours, twice; all of them are right in both programs' eyes."""
    wanted = {}
    for turn in range(2):
        for ours in (False, True):
            first = 100 * (2 * turn + ours)
            fill(database, first, first + 100)
            if ours:
                back_up(database, repository)
            else:
                engine.backup(database, repository, *options)
            wanted[2 * turn + ours + 1] = expected((0, first + 100, "a"))
    assert problems(repository) == {}
    assert engine.backups(repository) == dict.fromkeys(wanted, "-")
    assert all(engine.verifies(repository, number) for number in wanted)
    restores_to(repository, folder, wanted)
    return wanted


def test_no_share_table_files(engine: Engine, database: Path, repository: Path, tmp_path: Path) -> None:
    """NoShareTableFiles: each backup has all of its files to itself."""
    both_continue(engine, database, repository, tmp_path, LAYOUTS["none"])
    delete_backup(FILES, repository, 1)
    assert not (repository / "private" / "1").exists()
    assert problems(repository) == {}


def test_share_table_files_with_checksums(engine: Engine, database: Path, repository: Path, tmp_path: Path) -> None:
    """ShareTableFilesWithChecksums: the default layout, and no file is there twice."""
    both_continue(engine, database, repository, tmp_path, LAYOUTS["default"])
    assert len(shared(repository)) == len({name.split("_")[0] + name[-5:] for name in shared(repository)})


@pytest.mark.parametrize("layout", ["plain", "legacy", "session"])
def test_share_table_files_with_checksums_transition(
    engine: Engine, database: Path, repository: Path, tmp_path: Path, layout: str
) -> None:
    """ShareTableFilesWithChecksumsTransition, ShareTableFilesWithChecksumsNewNamingTransition,
    ShareTableFilesWithChecksumsNewNamingUpgrade: from `shared/` or older names to the default, deleting on the way."""
    wanted = both_continue(engine, database, repository, tmp_path, LAYOUTS[layout])
    adopted = adopt_repository(FILES, repository)
    assert [backup.adopted for backup in adopted.backups] == [True, False, True, False]
    while wanted:
        number = min(wanted)
        if number % 2:
            delete_backup(FILES, repository, number)
        else:
            engine.succeed("delete", repository, number)  # opened with other options than it was made with
        del wanted[number]
        assert problems(repository) == {}
        restores_to(repository, tmp_path, wanted)
    back_up(database, repository)
    delete_backup(FILES, repository, max(listed(repository)))
    assert shared(repository) == set()
    plain = repository / "shared"
    assert not plain.exists() or not list(plain.iterdir()), "what lies in shared/ goes with its last backup"


def test_share_table_files_with_checksums_new_naming(engine: Engine, database: Path, repository: Path) -> None:
    """ShareTableFilesWithChecksumsNewNaming: the names are RocksDB's, byte for byte, of tables and of blob files."""
    for part in range(3):
        fill(database, part * 100, part * 100 + 100)
    engine.backup(database, repository)
    theirs = shared(repository)
    shutil.rmtree(repository)
    back_up(database, repository)
    assert shared(repository) == theirs
    assert {re.sub(r"(?<=_s)[0-9A-Z]{20}|\d+", "N", name) for name in theirs} == {"N_sN_N.sst", "N_N_N.blob"}


def test_share_table_files_with_checksums_old_file_naming(
    engine: Engine, ldb: str, copy_of: Callable[[str, Path], Path], repository: Path, tmp_path: Path
) -> None:
    """ShareTableFilesWithChecksumsOldFileNaming: tables from before session ids are named by their crc32c."""
    database = without_session_ids(ldb, copy_of("small", tmp_path / "db"))
    report = back_up(database, repository)
    ours = shared(repository)
    assert ours
    assert all(re.fullmatch(r"\d{6}_\d+_\d+\.sst", name) for name in ours)
    again = back_up(database, repository)
    assert (again.files_new, again.bytes_reused) == (0, report.bytes_reused + sum(size_of(name) for name in ours))
    assert again.bytes_read < min(size_of(name) for name in ours), "known by their stat, they are not read"
    moved = tmp_path / "moved"
    shutil.copytree(database, moved, copy_function=shutil.copyfile)
    third = back_up(moved, repository)
    assert third.files_new == 0, "read, and found by their checksums"
    engine.backup(moved, repository)
    # Its opening has moved the log into a table of its own; all others are there already.
    assert {name for name in shared(repository) - ours if "_s" not in name} == set()
    assert problems(repository) == {}
    assert all(engine.verifies(repository, number) for number in (1, 2, 3, 4))
    engine.restore(repository, tmp_path / "theirs", 1)
    bring_back(repository, tmp_path / "ours", 4)


def size_of(name: str) -> int:
    """What a shared name says."""
    return int(name.rsplit(".", 1)[0].rpartition("_")[2])


def test_delete_tmp_files(engine: Engine, database: Path, repository: Path, tmp_path: Path) -> None:
    """DeleteTmpFiles: what a writer of RocksDB's that was killed has left goes with the next create, delete or prune,
    wherever it lies. A private folder that no meta belongs to tells of it."""

    def leave() -> list[Path]:
        private = repository / "private" / str(max(listed(repository)) + 1)
        left = [
            repository / "shared" / ".00006.sst.tmp",
            repository / "shared_checksum" / ".00007.sst.tmp",
            repository / "shared_checksum" / "000099_1234_5.sst",
            private / "00003.sst",
        ]
        for path in left:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"tmp")
        return [*left, private]

    fill(database, 0, 100)
    engine.backup(database, repository, "share=plain")
    engine.backup(database, repository)
    for sweep in (
        lambda: back_up(database, repository),
        lambda: delete_backup(FILES, repository, 1),
        lambda: prune_backups(FILES, repository, keep=2),
        lambda: prune_backups(FILES, repository, keep=1),
    ):
        left = leave()
        sweep()
        # The new backup may have taken the number of the half-done one.
        assert [path for path in left[:-1] if path.exists()] == []
        assert {path.name for path in (repository / "private").iterdir()} == {str(id_) for id_ in listed(repository)}
        assert problems(repository) == {}
    is_clean(repository, database)


def test_garbage_collection_before_backup(database: Path, repository: Path) -> None:
    """GarbageCollectionBeforeBackup: half a file under the very name that a new one gets is replaced."""
    fill(database, 0, 100)
    back_up(database, repository)
    names = shared(repository)
    delete_backup(FILES, repository, 1)
    assert shared(repository) == set()
    for name in names:
        (repository / "shared_checksum" / name).write_bytes(b"some bogus")
    back_up(database, repository)
    assert shared(repository) == names
    assert problems(repository) == {}


def test_no_double_copy_and_auto_gc(database: Path, repository: Path) -> None:
    """NoDoubleCopy_And_AutoGC: no shared file is written twice; what only a deleted backup had goes with it, also
    when only its meta was removed; a MANIFEST ends where its snapshot ended."""
    for number in (1, 2, 3):
        fill(database, 100 * number, 100 * number + 100, f"{number}")
        before = {path.name: path.stat().st_mtime_ns for path in (repository / "shared_checksum").glob("*")}
        report = back_up(database, repository)
        assert report.files_new == 2
        after = {path.name: path.stat().st_mtime_ns for path in (repository / "shared_checksum").iterdir()}
        assert before.items() <= after.items()
    manifest = next((repository / "private" / "3").glob("MANIFEST-*"))
    assert manifest.read_bytes() == (database / manifest.name).read_bytes()[: manifest.stat().st_size]
    delete_backup(FILES, repository, 1)
    assert len(shared(repository)) == 6, "each later backup has the first one's files as well"
    (repository / "meta" / "3").unlink()
    prune_backups(FILES, repository, keep=2)
    assert len(shared(repository)) == 4
    assert listed(repository) == {2: True}
    is_clean(repository, database)


def test_file_collision(engine: Engine, database: Path, repository: Path) -> None:
    """FileCollision: a fresh database, old backups of another one with the same file numbers."""
    for layout in LAYOUTS.values():
        for history in ("old", "new"):
            shutil.rmtree(database, ignore_errors=True)
            fill(database, 0, 100, history)
            if history == "old":
                engine.backup(database, repository, *layout)
            fill(database, 100, 200, history)
            back_up(database, repository)
        assert problems(repository) == {}
        bring_back(repository, database)
        assert rows(database) == expected((0, 200, "new"))
        shutil.rmtree(repository)


def test_keep_log_files(engine: Engine, copy_of: Callable[[str, Path], Path], repository: Path, tmp_path: Path) -> None:
    """KeepLogFiles: a backup that RocksDB took without the logs is a whole one of what was flushed. We keep the whole
    database that a restore replaces, logs and archive included, and never mix it with what is restored."""
    database = tmp_path / "db"
    fill(database, 0, 200)
    engine.backup(database, repository, "wals=0")
    assert not list((repository / "private" / "1").glob("*.log"))
    assert problems(repository) == {}
    fill(database, 200, 300)
    (database / "archive").mkdir()
    (database / "archive" / "000001.log").write_bytes(b"an archived log")
    previous = bring_back(repository, database, 1).previous
    assert rows(database) == expected((0, 200, "a"))
    assert not (database / "archive").exists()
    assert previous is not None
    assert (previous / "archive" / "000001.log").read_bytes() == b"an archived log"
    assert rows(previous) == expected((0, 300, "a"))
