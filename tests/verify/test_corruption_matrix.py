"""Every kind of file, damaged in every way: found by the tier that should, named, never restored, never deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.untouched import untouched
from tests.verify.backups import FAULTS, damage, file_of_kind, paths_of
from walrus_fast.errors import BackupDamaged, BackupNotFound
from walrus_fast.files import Files
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.operations.restore.restore import RestoreRequest, restore_backup
from walrus_fast.repository.verification import Tier

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("meta", "ours", "current", "manifest", "options", "wal", "table", "blob")
DAMAGED = 1


def expected_tier(kind: str, fault: str) -> Tier | None:
    """The first tier that can tell; None where the backup is sound without the file."""
    if kind in ("meta", "ours"):
        return None if fault == "missing" else Tier.LISTED
    return Tier.CHECKSUMS if fault in ("flipped", "zeroed") else Tier.SIZES


def names_of(repository: Path) -> set[str]:
    return {str(path.relative_to(repository)) for path in repository.rglob("*") if path.is_file()}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_found_named_refused_and_left_alone(repository: Path, tmp_path: Path, kind: str, fault: str) -> None:
    path = file_of_kind(repository, DAMAGED, kind)
    sharers = {id_ for id_ in (1, 2, 3) if path in paths_of(repository, id_)} or {DAMAGED}
    sizes = {name: (repository / name).stat().st_size for name in (path,)}
    damage(repository, path, kind, fault)
    before = names_of(repository)
    report = verify_backups(Files(), repository)
    records = {f".walrus-fast/verified/{id_}" for id_ in (1, 2, 3)}
    assert {name for name in names_of(repository) - before if not name.startswith(".walrus-fast/runs/")} <= records
    assert before <= names_of(repository)
    verdicts = {verdict.backup_id: verdict for verdict in report.backups}
    tier = expected_tier(kind, fault)
    if fault == "swapped" and tier is Tier.SIZES and (repository / path).stat().st_size == sizes[path]:
        tier = Tier.CHECKSUMS
    if tier is None:
        spared(repository, tmp_path, kind, report.notes, verdicts[DAMAGED].notes if kind == "ours" else ())
        return
    assert {id_ for id_, verdict in verdicts.items() if verdict.problems} == sharers
    for id_ in sharers:
        (found,) = verdicts[id_].damage
        assert found.tier is tier, found
        assert found.file == path.removeprefix(".walrus-fast/") or kind in ("meta", "ours"), found
        assert set(found.shared_with) == sharers - {id_} or tier is Tier.LISTED
        assert verdicts[id_].tier is (list(Tier)[tier.rank - 1] if tier.rank else None)
        if tier is not Tier.LISTED:
            assert found.expected
            assert found.found
            assert path in found.problem
    for id_ in (1, 2, 3):
        restored_or_refused(repository, tmp_path, id_, refused=id_ in sharers)
    assert before <= names_of(repository)


def restored_or_refused(repository: Path, tmp_path: Path, id_: int, *, refused: bool) -> None:
    target = tmp_path / f"target-{id_}"
    request = RestoreRequest(repository, target, backup_id=id_)
    if not refused:
        assert restore_backup(Files(), request).backup_id == id_
        return
    target.mkdir()
    (target / "mine.txt").write_text("foreign")
    (target / "LOCK").touch()
    with untouched(target), pytest.raises(BackupDamaged, match=f"backup {id_}|private/{id_}|meta/{id_}"):
        restore_backup(Files(), request)


def spared(repository: Path, tmp_path: Path, kind: str, notes: tuple[str, ...], own_notes: tuple[str, ...]) -> None:
    """A backup is its meta: without it there is none. Without our manifest it is one that RocksDB might have made."""
    for id_ in (2, 3):
        restored_or_refused(repository, tmp_path, id_, refused=False)
    if kind == "meta":
        assert "meta/1 is missing" in notes[0]
        with pytest.raises(BackupNotFound):
            verify_backups(Files(), repository, ids=[DAMAGED])
        with pytest.raises(BackupNotFound):
            restore_backup(Files(), RestoreRequest(repository, tmp_path / "target", backup_id=DAMAGED))
    else:
        assert "no manifest of ours" in own_notes[0]
        restored_or_refused(repository, tmp_path, DAMAGED, refused=False)
