"""Names that nobody gives by accident: none of them is believed, and none ends in another error than ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from walrus_fast.errors import RepositoryUnusable, StorageError
from walrus_fast.files import Files
from walrus_fast.repository.catalog import LARGEST_ID, backup_ids
from walrus_fast.repository.commit import next_backup_id
from walrus_fast.repository.layout import prepare_repository
from walrus_fast.rocksdb.names import FileKind, classify
from walrus_fast.rocksdb.wal import list_wals

if TYPE_CHECKING:
    from pathlib import Path

_NO_IDS = ("0", "01", "+1", "-1", "1 ", "1\n", "٣", "²", "4294967296", "9" * 200, "1.tmp")


def test_ids_that_are_none(tmp_path: Path) -> None:
    layout = prepare_repository(Files(), tmp_path / "repo")
    for name in ("7", *_NO_IDS):
        (layout.meta / name).touch()
        (layout.private / name).mkdir()
    assert backup_ids(Files(), layout) == [7]
    assert next_backup_id(Files(), layout) == 8


def test_no_id_is_given_twice_when_the_last_one_is_taken(tmp_path: Path) -> None:
    layout = prepare_repository(Files(), tmp_path / "repo")
    (layout.meta / str(LARGEST_ID)).touch()
    with pytest.raises(RepositoryUnusable, match="no id is higher"):
        next_backup_id(Files(), layout)


@pytest.mark.parametrize(
    "name",
    [
        "٣.log",
        "18446744073709551616.log",
        "99999999999999999999.sst",
        "1.log\n",
        "../1.log",
        "1.LOG",
        "MANIFEST-٣",
        "²",
    ],
)
def test_names_that_rocksdb_never_gave(tmp_path: Path, name: str) -> None:
    assert classify(name) == (FileKind.FOREIGN, 0)
    if "/" not in name:
        (tmp_path / name).touch()
    assert list_wals(Files(), tmp_path, oldest=0) == []


def test_the_highest_number_that_rocksdb_can_give(tmp_path: Path) -> None:
    assert classify("18446744073709551615.log") == (FileKind.WAL, 2**64 - 1)


@pytest.mark.parametrize("name", ["a\0b", "half a surrogate \ud800"])
def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    path = f"{os.fspath(tmp_path)}/{name}"
    for attempt in (Files().open_read, Files().create, Files().list_directory, Files().is_directory):
        with pytest.raises(StorageError):
            attempt(path)


def test_invalid_argument_is_what_the_kernel_would_have_said() -> None:
    with pytest.raises(StorageError) as caught:
        Files().open_read("a\0b")
    assert caught.value.number == 22
