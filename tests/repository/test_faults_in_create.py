"""`create` fails at each of its file operations in turn: the repository lists what it did, the next run repairs."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from tests.support.faulty import FaultyFiles, RecordingFiles
from tests.support.untouched import is_clean
from walrus_fast.errors import DiskFull, StorageError
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.repository.catalog import load_catalog
from walrus_fast.repository.layout import open_repository
from walrus_fast.snapshot.model import SnapshotRequest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("closes_descriptors")


def request(database: Path, repository: Path, mode: TransferMode = TransferMode.AUTO) -> CreateRequest:
    return CreateRequest(source=SnapshotRequest(database), repository=repository, mode=mode)


def assert_whole(repository: Path) -> list[int]:
    files = Files()
    listed = load_catalog(files, open_repository(files, repository))
    assert not any(backup.is_damaged for backup in listed), [backup.problems for backup in listed]
    assert not verify_backups(files, repository).damaged
    return [backup.backup_id for backup in listed]


@pytest.mark.parametrize("mode", [TransferMode.AUTO, TransferMode.COPY])
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "clean-up-fails-too"])
@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFull), (errno.EIO, StorageError)])
def test_every_operation_fails_once(
    database: Path, repository: Path, mode: TransferMode, for_good: bool, number: int, kind: type[StorageError]
) -> None:
    create_backup(Files(), request(database, repository))
    counting = FaultyFiles(0)
    create_backup(counting, request(database, repository, mode))
    total, expected = counting.seen, [1, 2]
    assert total > 40
    # Every operation around the commit, and each seventeenth of the many before it.
    for position in sorted({*range(1, total, 17), *range(total - 30, total + 1)}):
        faulty = FaultyFiles(position, number=number, for_good=for_good)
        try:
            report = create_backup(faulty, request(database, repository, mode))
        except kind:
            now = assert_whole(repository)
            # A failed last sync leaves a backup that is whole and whose durability alone is unknown.
            assert expected == now[: len(expected)]
            assert len(now) - len(expected) in ((0, 1) if position > total - 12 else (0,))
            expected = now
        else:
            expected.append(report.backup_id)  # a clean-up that failed and was harmless
        while len(expected) > 3:
            delete_backup(Files(), repository, expected.pop())
            is_clean(repository, database)
    create_backup(Files(), request(database, repository, mode))
    is_clean(repository, database)
    assert_whole(repository)


def test_the_first_error_is_the_one_that_is_reported(database: Path, repository: Path) -> None:
    """The disk is full, and then even the clean-up cannot be done: the operator must hear of the full disk."""
    create_backup(Files(), request(database, repository))
    counting = FaultyFiles(0, counted=["sync", "rename"])
    create_backup(counting, request(database, repository))
    for position in range(1, counting.seen):
        counted = ["sync", "rename", "unlink", "remove_tree"]
        faulty = FaultyFiles(position, number=errno.ENOSPC, counted=counted, for_good=True, later=errno.EIO)
        with pytest.raises(DiskFull, match="No space left"):
            create_backup(faulty, request(database, repository))
    create_backup(Files(), request(database, repository))
    is_clean(repository, database)


@pytest.mark.parametrize("mode", [TransferMode.AUTO, TransferMode.COPY])
def test_everything_is_durable_before_meta_names_it(database: Path, repository: Path, mode: TransferMode) -> None:
    files = RecordingFiles()
    create_backup(files, request(database, repository, mode))
    record, root = files.record, str(repository)
    published = record.index(("rename", f"{root}/meta/1"))
    manifest = record.index(("rename", f"{root}/.walrus-fast/manifests/1"))
    assert manifest < published
    assert record[published + 1] == ("sync", f"{root}/meta"), "the meta folder is last"
    staged = [path for operation, path in record[:published] if operation == "sync" and path.endswith("meta.new")]
    assert len(staged) == 1, "the contents of meta are durable before its name is"
    backup = load_catalog(Files(), open_repository(Files(), repository))[0]
    for file in backup.files:
        assert ("sync", f"{root}/{file.path}") in record[:manifest], file.path
    for folder in ("private/1", "private", "shared_checksum"):
        synced = record.index(("sync", f"{root}/{folder}"))
        arrivals = [
            at
            for at, (operation, path) in enumerate(record)
            if operation == "rename" and path.rpartition("/")[0] == f"{root}/{folder}"
        ]
        assert all(at < synced < published for at in arrivals), folder
    assert manifest < record.index(("sync", f"{root}/.walrus-fast/manifests")) < published


def test_deleting_goes_the_other_way(database: Path, repository: Path) -> None:
    create_backup(Files(), request(database, repository))
    files = RecordingFiles()
    delete_backup(files, repository, 1)
    record, root = files.record, str(repository)
    gone = record.index(("unlink", f"{root}/meta/1"))
    assert record[gone + 1] == ("sync", f"{root}/meta")
    later = [path for operation, path in record[gone + 2 :] if operation == "unlink"]
    assert later[0] == f"{root}/.walrus-fast/manifests/1"
    assert any("shared_checksum" in path for path in later)
    assert not any("shared_checksum" in path for _, path in record[:gone])


def test_without_sync_nothing_waits_for_the_disk(database: Path, repository: Path) -> None:
    create_backup(Files(), request(database, repository))  # a new repository's folders are synced in any case
    files = RecordingFiles()
    create_backup(files, CreateRequest(source=SnapshotRequest(database), repository=repository, sync=False))
    assert not [path for operation, path in files.record if operation == "sync"]
    assert_whole(repository)
