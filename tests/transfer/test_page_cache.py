"""What a transfer reads does not stay in the page cache, unless it was there before; on real file systems."""

from __future__ import annotations

import mmap
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from walrus_fast import _native
from walrus_fast.errors import StorageError
from walrus_fast.files import Files
from walrus_fast.methods import Method
from walrus_fast.transfer.pool import TransferPool
from walrus_fast.transfer.task import TransferItem

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

    from tests.file_systems import MountedFolders
    from walrus_fast.transfer.control import Progress

SIZES = {"plain": (70 << 20) + 1234}  # two windows and a part of the third
SMALL = (33 << 20) + 1234  # a window and a part: our own file systems are small
# Pages that may come or go by themselves: the kernel reclaims some under pressure, and reads or drops whole folios. A
# tenth of what `warm` reads, and nothing beside what a transfer that forgot to give back would leave.
STRAY = 96
DISKS = ["plain", "ext4", "xfs", "btrfs"]


def silent(progress: Progress) -> None:
    """Nobody looks."""


def cached(path: Path) -> bytes:
    with path.open("rb") as file:
        return _native.resident_pages(file.fileno(), 0, path.stat().st_size)


def make_cold(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if sum(cached(path)) > path.stat().st_size // mmap.PAGESIZE // 2:
        pytest.skip(f"{path} is on a file system that lives in memory")


def differ(one: bytes, other: bytes) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def warm(path: Path, randomness: random.Random) -> None:
    """Read some pages, as the owner does."""
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for page in randomness.sample(range(path.stat().st_size // mmap.PAGESIZE), 200):
            os.pread(file.fileno(), 5000, page * mmap.PAGESIZE)
        os.pread(file.fileno(), 3 << 20, 31 << 20)  # across the border of two windows


@pytest.fixture
def source(mounted: MountedFolders, randomness: random.Random, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file of which nothing is cached."""
    folder = mounted(request.param)
    path = folder / "000001.blob"
    path.write_bytes(randomness.randbytes(SIZES.get(request.param, SMALL)))
    make_cold(path)
    yield path
    shutil.rmtree(folder)


def transfer(source: Path, target: Path | None, *methods: Method, files: Files | None = None) -> None:
    item = TransferItem(str(source), str(target) if target else None, source.stat().st_size, methods)
    with TransferPool(files or Files(), workers=2) as pool:
        pool.run([item], sync=True, on_progress=silent)


@pytest.mark.parametrize("source", DISKS, indirect=True)
def test_what_was_cached_stays_and_nothing_else(source: Path, randomness: random.Random) -> None:
    transfer(source, None)
    assert sum(cached(source)) <= STRAY, "what only we have read is still there"
    warm(source, randomness)
    before = cached(source)
    assert 200 < sum(before) < len(before) / 2
    link = source.with_suffix(".link")
    transfer(source, link, Method.LINK)
    assert differ(cached(source), before) <= STRAY


@pytest.mark.parametrize("source", DISKS, indirect=True)
def test_neither_side_of_a_copy_fills_the_cache(source: Path, randomness: random.Random) -> None:
    warm(source, randomness)
    before = cached(source)
    target = source.with_suffix(".copy")
    transfer(source, target, Method.COPY)
    assert differ(cached(source), before) <= STRAY
    assert sum(cached(target)) <= STRAY
    assert target.read_bytes() == source.read_bytes()


class Deaf(Files):
    """A file system that maps no files."""

    def cached_pages(self, fd: int, offset: int, length: int) -> bytes:
        raise StorageError("no such device", number=19)


@pytest.mark.parametrize("source", ["plain"], indirect=True)
def test_where_nothing_can_be_asked_nothing_is_given_back(source: Path) -> None:
    transfer(source, None, files=Deaf())
    assert sum(cached(source)) > len(cached(source)) - STRAY
