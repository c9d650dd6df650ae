"""A call that takes long, and meanwhile a file vanishes that the work needs, or the database's owner goes on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults.stage import Stage
from tests.faults.works import WORKS, Work, check_and_go_on
from tests.support.sweep import Counting, Meanwhile
from walrus_fast.errors import BackupDamaged, DatabaseDamaged, FileMissing, WalrusFastError
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.repository.verification import Tier
from workload.driver import running_writer

if TYPE_CHECKING:
    import random
    from pathlib import Path

LONG = (pytest.mark.long, pytest.mark.timeout(3600))
POSITIONS = pytest.mark.parametrize("samples", [6, pytest.param(0, marks=LONG)])


def named(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("work", [work for work in WORKS if work.name in names], ids=lambda work: work.name)


def positions(calls: int, samples: int, randomness: random.Random) -> list[int]:
    every = range(1, calls + 1)
    return randomness.sample(every, samples) if samples else list(every)


@POSITIONS
@named("create-hardlink", "create-copy")
def test_a_table_of_the_database_vanishes(
    work: Work, original: Stage, tmp_path: Path, samples: int, randomness: random.Random
) -> None:
    """With the MANIFEST unchanged that is damage. What was pinned by then is not missed."""
    counting = Counting()
    assert work.run(original.copy_to(tmp_path / "stage"), counting)
    seen: Counter[str] = Counter()
    for at in positions(counting.calls, samples, randomness):
        stage = original.copy_to(tmp_path / "stage")
        victim = max(stage.database.glob("*.sst"))
        away = tmp_path / "away"
        before = stage.ids
        try:
            work.run(stage, Meanwhile(at, lambda victim=victim, away=away: victim.rename(away)))  # type: ignore[misc]
        except (DatabaseDamaged, FileMissing) as exc:
            message = exc.message
            seen["refused"] += 1
        else:
            message = ""
            seen["made"] += 1
        assert len(stage.ids) == len(before) + (not message)
        assert not message or victim.name in message
        stage.assert_every_listed_backup_is_whole()
        stage.assert_nothing_is_left_over()
        if away.exists():
            away.rename(victim)
        stage.create(Files(), TransferMode.AUTO)
        stage.assert_every_listed_backup_is_whole()
    print(f"{work.name}: {sum(seen.values())} of {counting.calls} calls: {dict(seen)}")
    assert samples or len(seen) == 2


@POSITIONS
@named("verify", "restore-copy", "restore-hardlink", "adopt", "delete", "prune")
def test_a_file_of_the_repository_vanishes(
    work: Work, original: Stage, tmp_path: Path, samples: int, randomness: random.Random
) -> None:
    """Somebody who does not know our lock: RocksDB's own tool, or rm."""
    ready = original.copy_to(tmp_path / "ready")
    work.prepare(ready)
    counting = Counting()
    stage = ready.copy_to(tmp_path / "stage")
    first = work.effect(stage)
    assert work.run(stage, counting)
    work.states[:] = [first, work.effect(stage)]
    seen: Counter[str] = Counter()
    for at in positions(counting.calls, samples, randomness):
        stage = ready.copy_to(tmp_path / "stage")
        victim = max((stage.repository / "shared_checksum").iterdir())
        away = tmp_path / "away"
        try:
            happening = Meanwhile(at, lambda victim=victim, away=away: victim.rename(away))  # type: ignore[misc]
            outcome = "sound" if work.run(stage, happening) else "called damaged"
        except (BackupDamaged, FileMissing):
            outcome = "refused"
        except WalrusFastError as exc:
            raise AssertionError(f"{work.name} at {at}") from exc
        seen[outcome] += 1
        if work.name.startswith("restore"):
            assert work.effect(stage) == (work.states[-1] if outcome == "sound" else first), f"{work.name} at {at}"
        if away.exists():
            away.rename(victim)
        check_and_go_on(work, stage)
    print(f"{work.name}: {sum(seen.values())} of {counting.calls} calls: {dict(seen)}")


@POSITIONS
@pytest.mark.parametrize("mode", [TransferMode.HARDLINK, TransferMode.COPY])
def test_the_owner_goes_on_during_any_call(
    tmp_path: Path, mode: TransferMode, samples: int, seed: int, randomness: random.Random
) -> None:
    """It writes, flushes and compacts while one call of ours takes as long as that."""
    stage = Stage(tmp_path)
    with running_writer(stage.database, seed=seed, value_scale=0.05, memtable_size=64 << 10) as writer:
        writer.advance(500)
        counting = Counting()
        stage.create(counting, mode)
        chosen = positions(counting.calls + 40, samples, randomness)
        rounds: Counter[int] = Counter()
        for at in chosen:
            rounds[stage.create(Meanwhile(at, lambda: writer.advance(120)), mode).rounds] += 1
        writer.assert_alive()
    report = verify_backups(Files(), stage.repository, tier=Tier.CLOSURE)
    assert not report.damaged
    assert len(report.backups) == len(chosen) + 1
    stage.assert_nothing_is_left_over()
    print(f"{mode}: {len(chosen)} of {counting.calls} calls took long; rounds of the snapshot: {dict(rounds)}")
