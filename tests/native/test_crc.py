"""Every kernel of crc32c.c gives what the portable one gives, and that is what the crc32c package gives."""

from __future__ import annotations

import random

import crc32c
import pytest

from tests.native.support import SEED
from walrus_fast import _native


def has(kernel: int) -> bool:
    try:
        _native._crc32c(b"", kernel)
    except ValueError:
        return False
    return True


KERNELS = [kernel for kernel in range(3) if has(kernel)]


def test_known_value() -> None:
    assert _native._crc32c(b"123456789", 0) == 0xE3069283


@pytest.mark.parametrize("kernel", [*KERNELS, -1])
def test_kernels_are_identical(kernel: int) -> None:
    print("seed", SEED)
    rng = random.Random(SEED)
    for length in [*range(70), 1000, 4096, 100_001]:
        data = rng.randbytes(length)
        for start in range(min(length, 8)):  # unaligned beginnings
            assert _native._crc32c(data[start:], kernel) == crc32c.crc32c(data[start:])


def test_unknown_kernel() -> None:
    for kernel in (3, -2, 1000):
        with pytest.raises(ValueError, match="kernel"):
            _native._crc32c(b"", kernel)
