"""The order of writes of docs/design.md, proven on the system calls of real runs, C batches and threads included.

Through the seam, the same is in `tests/repository/test_faults_in_create.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.power_cut import record
from walrus_fast.repository.meta import decode_meta

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.stage import Stage
    from tests.support.disk import Disk, Names, Node, Operation

END = 1 << 62  # of time

pytestmark = pytest.mark.usefixtures("strace")


def at_path(disk: Disk, names: Names, path: str) -> Node:
    node = disk.root
    for part in path.split("/"):
        node = names[node, part]
    return node


def the_change_of(disk: Disk, folder: Node, name: str) -> Operation:
    [found] = [
        operation
        for operation in disk.operations
        if any((where, what) == (folder, name) for where, what, _ in operation.changes)
    ]
    return found


def assert_durable(node: Node, time: int) -> None:
    assert node.source is not None or node.synced_at(time) == node.length_at(END) > 0


@pytest.mark.parametrize("mode", ["auto", "copy"])
def test_all_that_a_meta_names_is_durable_before_the_meta_is_there(original: Stage, tmp_path: Path, mode: str) -> None:
    stage = original.copy_to(tmp_path / "stage")
    arguments = ["--db-path", stage.database, "--path", stage.repository, "--transfer-mode", mode]
    disk = record(stage.folder, ["checkpoint", "create", *arguments])
    end = disk.everything()
    folder, meta = at_path(disk, end, "repository/meta"), at_path(disk, end, "repository/meta/3")
    published = the_change_of(disk, folder, "3").time
    forced = disk.any_order(published - 1, None)
    shared = at_path(disk, disk.initial, "repository/shared_checksum")
    named = [f"repository/{file.path}" for file in decode_meta(bytes(meta.contents), 3).files]
    assert len(named) > 10
    for path in [*named, "repository/.walrus-fast/manifests/3"]:
        node = at_path(disk, forced, path)
        assert_durable(node, published - 1)
        # A link's contents are its owner's to sync, and RocksDB does not sync every WAL: we do.
        old = (shared, path.rpartition("/")[2]) in disk.initial
        assert old or min(node.syncs) < published, path
    assert_durable(meta, published - 1)
    assert at_path(disk, disk.any_order(disk.time, None), "repository/meta/3") is meta, "reported before it is durable"


def test_a_deleted_backup_is_gone_for_good_before_any_of_its_files(original: Stage, tmp_path: Path) -> None:
    stage = original.copy_to(tmp_path / "stage")
    disk = record(stage.folder, ["checkpoint", "delete", "--path", stage.repository, "--checkpoint-id", 2])
    meta = at_path(disk, disk.initial, "repository/meta")
    gone = the_change_of(disk, meta, "2").time
    synced = min(at for at in meta.syncs if at > gone)
    ours = {at_path(disk, disk.initial, f"repository/{name}") for name in ("shared_checksum", "private", "private/2")}
    later = [operation.time for operation in disk.operations if ours & {folder for folder, _, _ in operation.changes}]
    assert len(later) > 4
    assert min(later) > synced


@pytest.mark.parametrize("mode", ["auto", "copy"])
def test_a_restored_database_is_durable_before_the_exchange(original: Stage, tmp_path: Path, mode: str) -> None:
    stage = original.copy_to(tmp_path / "stage")
    places = ["--db-checkpoint-path", stage.repository, "--db-path", stage.database]
    disk = record(stage.folder, ["restore", "--no-open", *places, "--transfer-mode", mode])
    exchanged = the_change_of(disk, disk.root, "db").time
    restored = at_path(disk, disk.everything(), "db")
    forced = disk.any_order(exchanged - 1, None)
    assert forced[at_path(disk, forced, ".db.walrus-fast-restore"), "incoming"] is restored
    arrived = {name: node for (folder, name), node in forced.items() if folder is restored}
    assert {"CURRENT", "IDENTITY"} < arrived.keys()
    for node in arrived.values():
        assert_durable(node, exchanged - 1)
    journal = at_path(disk, forced, ".db.walrus-fast-restore/exchange.json")
    assert_durable(journal, exchanged - 1)
