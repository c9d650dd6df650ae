"""Which pages of a file are cached: C against the twin, on files of which some pages are."""

from __future__ import annotations

import errno
import mmap
import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.native.support import SEED
from tests.oracle import page_cache as twin
from walrus_fast import _native

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = 300


@pytest.fixture
def partly_cached(tmp_path: Path) -> Iterator[int]:
    """A file of 299 pages and a half, of which some are cached (all, where files live in memory)."""
    print(f"WALRUS_FAST_SEED={SEED}")
    numbers = random.Random(SEED)
    path = tmp_path / "file"
    path.write_bytes(numbers.randbytes(PAGES * mmap.PAGESIZE - mmap.PAGESIZE // 2))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    for page in numbers.sample(range(PAGES // 2), 40):
        os.pread(fd, 1, page * mmap.PAGESIZE)
    yield fd
    os.close(fd)


def ranges() -> list[tuple[int, int]]:
    numbers = random.Random(SEED)
    whole = (0, PAGES * mmap.PAGESIZE)
    some = [(numbers.randrange(PAGES) * mmap.PAGESIZE, numbers.randrange(1, 1 << 20)) for _ in range(40)]
    return [whole, (whole[1] // 2, whole[1]), (0, 1), (whole[1] * 5, 10), *some]


def test_the_same_as_the_twin(partly_cached: int) -> None:
    for offset, length in ranges():
        found = _native.resident_pages(partly_cached, offset, length)
        assert found == twin.resident_pages(partly_cached, offset, length), (offset, length)
        assert len(found) == -(-length // mmap.PAGESIZE)


@pytest.mark.parametrize(("offset", "length"), [(1, 4096), (0, 0), (0, -5)])
def test_what_is_no_range_is_refused(partly_cached: int, offset: int, length: int) -> None:
    with pytest.raises(OSError) as caught:
        _native.resident_pages(partly_cached, offset, length)
    assert caught.value.errno == errno.EINVAL
