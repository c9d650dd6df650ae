"""Which backups stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.node import final, running_node, write_config
from tests.support.command import create, refuse, run, succeed
from walrus_fast.repository.retention import Candidate, choose_removals

if TYPE_CHECKING:
    from pathlib import Path


@given(
    good=st.lists(st.booleans(), max_size=12),
    keep=st.integers(0, 6),
    pinned=st.frozensets(st.integers(1, 12)),
)
def test_never_fewer_good_backups_than_asked_for_and_never_a_pinned_one(
    good: list[bool], keep: int, pinned: frozenset[int]
) -> None:
    backups = [Candidate(number, is_good) for number, is_good in enumerate(good, 1)]
    verdict = choose_removals(backups, keep=keep, pinned=pinned)
    assert sorted(verdict.removed + verdict.kept) == [backup.backup_id for backup in backups]
    assert not set(verdict.removed) & pinned
    assert set(verdict.pinned) <= pinned & set(verdict.kept)
    were_good = {backup.backup_id for backup in backups if backup.is_good}
    left = were_good - set(verdict.removed)
    assert len(left) >= min(len(were_good), max(keep, 1))
    assert keep > 0 or not verdict.removed
    if verdict.removed:
        assert max(verdict.removed) < min(left - pinned)


def damage(repository: Path, backup_id: int) -> None:
    """Cut a private file short."""
    victim = next((repository / "private" / str(backup_id)).glob("MANIFEST-*"))
    victim.write_bytes(victim.read_bytes()[:-1])


def test_prune_from_the_command_line(database: Path, repository: Path) -> None:
    for _ in range(5):
        create(database, repository)
    succeed("checkpoint", "pin", "--path", repository, "--checkpoint-id", 1)
    damage(repository, 4)
    dry = run("checkpoint", "prune", "--path", repository, "--keep", 2, "--dry-run")
    assert dry.stdout == "Would be removed: 2. Kept: 1, 3, 4, 5.\nKept only because they are pinned: 1.\n"
    assert len(list((repository / "meta").iterdir())) == 5
    report = succeed("checkpoint", "prune", "--path", repository, "--keep", 2)
    assert (report["removed"], report["kept"]) == ([2], [1, 3, 4, 5])
    refuse(26, "backup-pinned", "checkpoint", "delete", "--path", repository, "--checkpoint-id", 1)
    succeed("checkpoint", "unpin", "--path", repository, "--checkpoint-id", 1)
    assert succeed("checkpoint", "prune", "--path", repository, "--keep", 1)["removed"] == [1, 3, 4]
    refuse(24, "backup-not-found", "checkpoint", "pin", "--path", repository, "--checkpoint-id", 4)


def test_a_pin_does_not_pass_to_another_backup_with_the_same_id(database: Path, repository: Path) -> None:
    create(database, repository)
    succeed("checkpoint", "pin", "--path", repository, "--checkpoint-id", 1)
    (repository / "meta" / "1").write_text("1\n1\n0\n")  # as if RocksDB had deleted it and given its id again
    succeed("checkpoint", "delete", "--path", repository, "--checkpoint-id", 1)


def test_damaged_backups_are_no_reason_to_remove_the_last_good_one(database: Path, repository: Path) -> None:
    for _ in range(3):
        create(database, repository)
    damage(repository, 2)
    damage(repository, 3)
    assert succeed("checkpoint", "prune", "--path", repository, "--keep", 1)["removed"] == []


def test_retention_follows_success_only_and_only_in_the_nodes_own_folder(database: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, checkpoint={"max_db_checkpoints": 1})
    with running_node(config) as node, node.client() as client:
        assert [final(client, client.create()).state for _ in range(2)] == ["succeeded"] * 2
        assert [backup.backup_id for backup in client.list().backups] == [2]
        (tmp_path / "db" / "CURRENT").rename(tmp_path / "db" / "GONE")
        failed = final(client, client.create())
        assert failed.error is not None
        assert failed.error.code in ("database-not-found", "database-damaged")
        assert [backup.backup_id for backup in client.list().backups] == [2]
        (tmp_path / "db" / "GONE").rename(tmp_path / "db" / "CURRENT")
        manual = str(tmp_path / "manual")
        for _ in range(3):
            final(client, client.create(manual))
        assert len(client.list(manual).backups) == 3
        assert "Would be removed: 1, 2." in node.admin("checkpoint", "prune", "--path", manual, "--dry-run").stdout


@pytest.mark.parametrize("keep", [0, -1])
def test_keeping_none_is_refused(repository: Path, keep: int) -> None:
    assert run("checkpoint", "prune", "--path", repository, "--keep", keep).status == 2
