"""Any bit of any file of a backup, turned over, is found, and the right file is named."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.verify.backups import back_up, flip_bit
from walrus_fast.files import Files
from walrus_fast.operations.proof.verify import verify_backups
from workload import shapes

if TYPE_CHECKING:
    import random
    from pathlib import Path

FLIPS = 2000


def test_2000_flips_are_all_found(tmp_path: Path, randomness: random.Random) -> None:
    database, repository = tmp_path / "db", tmp_path / "repo"
    shapes.blobs(database, 512 << 10, 256 << 10, value_size=16 << 10)
    back_up(database, repository)
    files = [path for path in repository.rglob("*") if path.is_file() and path.name != "lock"]
    weights = [path.stat().st_size for path in files]
    # Half of them by size, as cosmic rays would; half by file, or the small ones would hardly be hit.
    chosen = randomness.choices(files, weights, k=FLIPS // 2) + randomness.choices(files, k=FLIPS // 2)
    started, hit = time.monotonic(), set()
    for path in chosen:
        bit = randomness.randrange(path.stat().st_size * 8)
        flip_bit(path, bit)
        (verdict,) = verify_backups(UnsyncedFiles(), repository).backups
        flip_bit(path, bit)
        assert verdict.problems, f"bit {bit} of {path}"
        name = str(path.relative_to(repository)).removeprefix(".walrus-fast/")
        named = {item.file for item in verdict.damage}
        # A meta may name other files after it; our manifest then says so at once.
        assert named == {name} if not name.startswith("meta/") else name in named, (name, verdict.damage)
        hit.add(name)
    (verdict,) = verify_backups(Files(), repository).backups
    assert not verdict.problems
    assert len(hit) == len(files)
    print(f"{FLIPS} flips in {len(files)} files of {sum(weights)} bytes found in {time.monotonic() - started:.1f} s")


class UnsyncedFiles(Files):
    """Records of 2,000 verifications need not outlive the machine."""

    def sync(self, fd: int, path: Path | str) -> None:
        return
