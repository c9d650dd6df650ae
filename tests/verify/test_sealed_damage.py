"""Random damage that every checksum agrees with: RocksDB gets to see it, and whatever it does, we have a verdict.

Some of it no tier sees, because no row is read from there: values in blob files that were overwritten since, a byte
of padding. It counts as harmless only when the restored rows are, one by one, those that the writer wrote.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.verify.backups import SEED, copy_repository, kind_of, paths_of, reseal
from walrus_fast.files import Files
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.operations.restore.drill import DrillRequest, drill_backup
from walrus_fast.operations.restore.restore import RestoreRequest, restore_backup
from walrus_fast.repository.verification import Tier
from walrus_fast.rocksdb.names import FileKind
from workload.prefix import check_in_subprocess

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path


def _noise(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 8, 200))):
        data[chance.randrange(len(data))] = chance.randrange(256)


def _zeros(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.choice((16, 4096, 1 << 20)))
    data[start:end] = bytes(end - start)


def _hole(data: bytearray, chance: random.Random) -> None:
    """Bytes moved forward, the size as it was."""
    start = chance.randrange(len(data))
    cut = min(len(data) - start, chance.choice((1, 7, 4096)))
    del data[start : start + cut]
    data += bytes(cut)


WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (_noise, _zeros, _hole)
KINDS = (FileKind.TABLE, FileKind.BLOB, FileKind.MANIFEST, FileKind.WAL)


def _restored_step(repository: Path, target: Path) -> int | None:
    """The step whose rows the restored backup holds, every row compared. Raises PrefixError where one differs."""
    restore_backup(Files(), RestoreRequest(repository, target, backup_id=3, open_first=False))
    step = check_in_subprocess(target, SEED).step
    shutil.rmtree(target)
    return step


@pytest.mark.parametrize("count", [24, pytest.param(500, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
def test_every_sealed_damage_has_a_verdict(sound: Path, tmp_path: Path, randomness: random.Random, count: int) -> None:
    tiers: dict[str, int] = {}
    written = _restored_step(sound, tmp_path / "restored")
    for number in range(count):
        repository = copy_repository(sound, tmp_path / "repo")
        kind = KINDS[number % len(KINDS)]
        path = repository / randomness.choice([path for path in paths_of(repository, 3) if kind_of(path) is kind])
        data = bytearray(path.read_bytes())
        randomness.choice(WAYS)(data, randomness)
        path.write_bytes(data)
        reseal(repository, 3)
        (verdict,) = verify_backups(Files(), repository, ids=[3], tier=Tier.ROWS, stall_seconds=60).backups
        drilled = drill_backup(Files(), DrillRequest(repository, 3, stall_seconds=60))
        assert bool(drilled.problems) == bool(verdict.problems), (path, verdict.problems, drilled.problems)
        found = verdict.damage[0].tier.value if verdict.damage else "nothing"
        tiers[found] = tiers.get(found, 0) + 1
        if not verdict.damage:
            assert _restored_step(repository, tmp_path / "restored") == written, path
        shutil.rmtree(repository)
    print(f"{count} damages by the tier that saw them: {tiers}")
    assert not os.listdir(tmp_path)
