"""Power cuts: of real runs, only what was made durable is kept, and of the rest what chance says.

The runs are traced from outside, so that the C batches and the threads that sync are in the log, and replayed on a
model of a disk (`tests.support.disk`, which says what it may lose and why). The log is complete: replayed to its end
it must give the folder that the run has left, name for name and byte for byte, else a call was missed. What is left
after a cut is made a folder again and opened with our own list and verify, with the next create or restore, and with
ldb.

A model, because it loses what a disk behind ext4 or XFS hardly ever loses, in every order and at every moment, and not
every kernel has a device mapper. It does not show a disk that lies about its cache, nor one that tears a name.
"""

from __future__ import annotations

import re
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.disk import Disk, Image
from tests.support.system_calls import CHANGING, NAMING, traced

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

# The second is the worst that reordering can do: the newest change is there, what was meant to come before it is not.
WAYS_TO_LOSE = (
    "any order, all that may be lost",
    "any order, all but the newest",
    "any order, by chance",
    "in order, all that may be lost",
    "in order, by chance",
)
SAMPLES = pytest.mark.parametrize("samples", [10, pytest.param(0, marks=[pytest.mark.long, pytest.mark.timeout(7200)])])


def record(folder: Path, *runs: Sequence[object], mounts: AbstractContextManager[object] | None = None) -> Disk:
    """Run the program on `folder` and give the disk. The folder is gone then: images of the disk take its place.

    `runs` are the arguments of each of several runs, one after the other.

    `mounts` is entered for the time of the run.
    """
    pristine, ran = folder.with_name("pristine"), folder.with_name("ran")
    shutil.copytree(folder, pristine, symlinks=True)
    disk = Disk(folder, pristine)
    for arguments in runs:
        with mounts or nullcontext():
            status, calls = traced(arguments, folder.with_name("calls"), calls=CHANGING + NAMING)
        assert status == 0
        disk.replay(calls)
    folder.rename(ran)
    disk.learn_inodes(ran)
    Image(disk, disk.everything(), disk.time, None, lossless=True).make()
    assert _contents(ran) == _contents(folder), "the log is not complete, or the model wrong"
    shutil.rmtree(folder)
    return disk


def _contents(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b"a folder"
        found[str(path.relative_to(folder))] = re.sub(rb'"inode": \d+', b"", data)
    return found


@dataclass(frozen=True)
class Cut:
    """`time` in calls; `lost` is one of WAYS_TO_LOSE."""

    time: int
    lost: str

    @property
    def in_order(self) -> bool:
        """Whether a beginning of the sequence of operations is left."""
        return self.lost.startswith("in order")

    def make(self, disk: Disk, randomness: random.Random) -> None:
        """Put what is left where the run was."""
        chance = randomness if self.lost.endswith("by chance") else None
        if self.in_order:
            names = disk.in_order(self.time, chance)
        else:
            names = disk.any_order(self.time, chance, newest="newest" in self.lost)
        Image(disk, names, self.time, chance).make()


def cuts(disk: Disk, randomness: random.Random, samples: int) -> Iterator[Cut]:
    """After each fsync and each change of names; `samples` 0 for all of them in all ways. The end is always there."""
    times = sorted({operation.time for operation in disk.operations} | set(disk.sync_times))
    every = [Cut(time, lost) for time in times for lost in WAYS_TO_LOSE]
    yield from every if samples == 0 else randomness.sample(every, samples)
    for lost in WAYS_TO_LOSE:
        yield Cut(disk.time, lost)
