"""Two commands at the same moment, from two processes: one waits or is turned away, and nothing is lost."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.concurrency.crowd import Commands, at_once, done
from tests.engine.steps import back_up
from tests.support.command import backups, create, restore, succeed, verify
from tests.support.databases import Template, check_killed
from tests.support.untouched import fingerprint, is_clean, siblings
from workload import shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    CopyOf = Callable[[str, Path], Path]

WRITERS = ["create", "delete", "prune"]


def all_sound(repository: Path) -> list[int]:
    """Every backup is whole, and nothing lies about; their ids."""
    assert not any(verdict["problems"] for verdict in verify(repository)["backups"])
    is_clean(repository)
    return [backup["backup_id"] for backup in backups(repository)]


@pytest.fixture(scope="module")
def prepared(templates: dict[str, Template], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database, and three backups of it that share most of their files and have some of their own."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copytree(templates["blobs"].folder, folder / "db")
    for _ in range(3):
        back_up(folder / "db", folder / "repo")
        shapes.touch(folder / "db", 0.1)
    return folder


@pytest.fixture
def changing(prepared: Path, tmp_path: Path, repository: Path) -> Path:
    """The database, beside its repository."""
    shutil.copytree(prepared / "repo", repository)
    return Path(shutil.copytree(prepared / "db", tmp_path / "db"))


@pytest.mark.parametrize("wait", [pytest.param(0, id="busy", marks=pytest.mark.long), pytest.param(60, id="waits")])
@pytest.mark.parametrize(("first", "second"), [*itertools.combinations_with_replacement(WRITERS, 2)])
def test_two_writers(changing: Path, repository: Path, first: str, second: str, wait: float) -> None:
    commands = Commands(changing, repository, wait)
    by_name = {"create": commands.create("--no-sync"), "delete": commands.delete(1), "prune": commands.prune(2)}
    outcomes = at_once(by_name[first], by_name[second])
    documents = [done(outcome) for outcome in outcomes]
    if wait:
        busy = [outcome for outcome in outcomes if outcome.status and outcome.code == "repository-busy"]
        assert not busy, "both have waited"
    assert any(documents)
    left = {1, 2, 3}
    for document in documents:
        if document and "captured_sequence" in document:
            left.add(document["backup_id"])
        elif document and "removed" in document:
            left -= set(document["removed"])
        elif document:
            left.discard(document["backup_id"])
    assert set(all_sound(repository)) == left


def test_many_creates_have_ids_of_their_own(changing: Path, repository: Path) -> None:
    documents = [done(outcome) for outcome in at_once(*[Commands(changing, repository, 60).create()] * 5)]
    assert sorted(document["backup_id"] for document in documents) == [4, 5, 6, 7, 8]
    assert all_sound(repository) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("there", [True, False], ids=["database", "nothing"])
def test_restores_of_one_database(
    copy_of: CopyOf, tmp_path: Path, repository: Path, templates: dict[str, Template], there: bool
) -> None:
    """At least one succeeds; what each replaced is kept, and the last one's database is in place and whole."""
    database = copy_of("killed", tmp_path / "db")
    create(database, repository)
    target = database if there else tmp_path / "new"
    outcomes = at_once(*[Commands(database, repository).restore(target)] * 4)
    documents = [document for outcome in outcomes if (document := done(outcome, "repository-busy", "database-owned"))]
    assert documents
    kept = sorted(tmp_path.glob(f"{target.name}.before-restore-*"))
    assert len(kept) == len(documents) - (0 if there else 1)
    assert siblings(target) == []
    for folder in (target, *kept):
        check_killed(folder, templates["killed"])


def test_a_restore_and_an_undo(
    copy_of: CopyOf, tmp_path: Path, repository: Path, templates: dict[str, Template]
) -> None:
    """Whoever is second finds a whole database, and every database that was ever in place is still somewhere."""
    database = copy_of("killed", tmp_path / "db")
    create(database, repository)
    restore(repository, database)
    commands = Commands(database, repository)
    outcomes = at_once(
        commands.restore(database), ("restore", "--db-path", database, "--undo"), commands.restore(database)
    )
    documents = [done(outcome, "repository-busy", "database-owned") for outcome in outcomes]
    assert any(documents)
    kept = [*tmp_path.glob("db.before-restore-*"), *tmp_path.glob("db.undone-*")]
    restores = sum(document is not None for document in (documents[0], documents[2]))
    assert len(kept) == 1 + restores, "an undo exchanges, a restore adds one"
    assert siblings(database) == []
    for folder in (database, *kept):
        check_killed(folder, templates["killed"])


def test_two_repositories_of_one_database(changing: Path, repository: Path, tmp_path: Path) -> None:
    """They do not lock each other out, and neither sweeps the other's pins."""
    places = [repository, *(tmp_path / f"other-{number}" for number in range(3))]
    before = fingerprint(changing)
    modes = ("copy", "auto", "copy", "hardlink")
    outcomes = at_once(
        *(Commands(changing, place).create("--transfer-mode", mode) for place, mode in zip(places, modes, strict=True))
    )
    assert [outcome.status for outcome in outcomes] == [0] * 4, outcomes
    assert fingerprint(changing) == before
    for place in places:
        all_sound(place)
    assert siblings(changing) == []


def test_a_pin_and_a_prune(changing: Path, repository: Path) -> None:
    """The backup is pinned and there, or was pruned and could not be pinned: never pinned and gone."""
    commands = Commands(changing, repository, 60)
    pin = ("checkpoint", "pin", "--path", repository, "--checkpoint-id", 1, "--wait", 60)
    pinned, pruned = (done(outcome) for outcome in at_once(pin, commands.prune(1)))
    assert pruned["removed"] == ([2] if pinned else [1, 2])
    assert all_sound(repository) == ([1, 3] if pinned else [3])
    succeed("checkpoint", "list", "--path", repository)
