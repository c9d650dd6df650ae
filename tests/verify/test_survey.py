"""The one look at a repository that the metrics and the status page live on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.support.untouched import untouched
from tests.verify.backups import back_up, damage, file_of_kind
from walrus_fast.files import Files
from walrus_fast.operations.keeping.delete import delete_backup
from walrus_fast.operations.keeping.space import measure_space
from walrus_fast.operations.keeping.survey import survey_repository
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.operations.restore.drill import DrillRequest, drill_backup
from walrus_fast.protocol.survey import RepositorySurvey
from walrus_fast.tiers import Sample, Tier

if TYPE_CHECKING:
    from pathlib import Path


def survey(repository: Path) -> RepositorySurvey:
    """A survey that went over the pipe."""
    found = survey_repository(Files(), repository, database=None)
    return msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=RepositorySurvey)


def test_a_folder_that_is_not_there_has_no_backups(tmp_path: Path) -> None:
    found = survey(tmp_path / "none")
    assert (found.backups, found.space.total, found.verified, found.drilled) == ((), 0, {}, None)


def test_what_was_proven_and_what_it_costs(repository: Path) -> None:
    assert {backup.proof for backup in survey(repository).backups} == {None}
    verify_backups(Files(), repository, tier=Tier.CLOSURE, now=lambda: 1000.0)
    verify_backups(Files(), repository, sample=Sample.parse("1/7"), now=lambda: 2000.0)
    with untouched(repository):
        found = survey(repository)
    assert found.verified == {
        Tier.LISTED: 2000.0,
        Tier.SIZES: 2000.0,
        Tier.CHECKSUMS: 2000.0,
        Tier.CLOSURE: 1000.0,
    }
    assert [backup.proof and (backup.proof.tier, backup.proof.date) for backup in found.backups] == [
        (Tier.CLOSURE, 1000.0)
    ] * 3
    space = measure_space(Files(), repository)
    assert (found.space.total, found.space.unique, found.space.pinned) == (space.total, space.only_here, space.pinned)
    assert found.space.total > 0


def test_a_drill_that_succeeded_is_remembered_when_its_backup_has_gone(repository: Path) -> None:
    drill_backup(Files(), DrillRequest(repository, 1), now=lambda: 1000.0)
    damage(repository, file_of_kind(repository, 3, "manifest"), "manifest", "flipped")
    assert drill_backup(Files(), DrillRequest(repository, 3), now=lambda: 2000.0).problems
    delete_backup(Files(), repository, 1)
    found = survey(repository)
    assert (found.drilled, found.restorable) == (2000.0, 1000.0)
    assert {backup.backup_id: backup.is_damaged for backup in found.backups} == {2: False, 3: True}


def test_every_backup_counts_that_was_made_since(database: Path, repository: Path) -> None:
    back_up(database, repository)
    assert [backup.backup_id for backup in survey(repository).backups] == [1, 2, 3, 4]
