"""Strategies that damage real bytes the way that damage happens, and the way that an attacker would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypothesis.strategies import SearchStrategy

INTERESTING = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff\x0f",
    b"\xff" * 9 + b"\x01",
    b"\0" * 8,
    b"-1",
    b"9" * 30,
)


@st.composite
def damaged(draw: st.DrawFn, originals: Sequence[bytes], reseal: Callable[[bytes], bytes] | None = None) -> bytes:
    """One of `originals` after a few cuts, changes, insertions and copies; `reseal` may mend its checksums."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from((1, 1, 1, 2, 4, 8, 64, 4096)))
        match draw(st.sampled_from(("change", "change", "put", "insert", "cut", "copy", "end"))):
            case "change" if at < len(data):
                data[at] = draw(st.integers(0, 255))
            case "put":
                some = draw(st.sampled_from(INTERESTING))
                data[at : at + len(some)] = some
            case "insert":
                data[at:at] = draw(st.sampled_from(INTERESTING) | st.binary(max_size=16))
            case "cut":
                del data[at : at + length]
            case "copy":
                start = draw(st.integers(0, len(data)))
                data[at:at] = data[start : start + length]
            case "end":
                del data[at:]
    if reseal is not None and draw(st.integers(0, 7)):
        return reseal(bytes(data))
    return bytes(data)


def anything(originals: Sequence[bytes]) -> SearchStrategy[bytes]:
    """Damaged originals, and bytes that never were any."""
    return damaged(originals) | st.binary(max_size=2000)
