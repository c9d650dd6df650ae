"""How much a verification proves: up to which tier, and reading which share of the files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from walrus_fast.checksum import digest

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Sample", "Tier"]

_SHARE = re.compile(r"1\s*/\s*(\d{1,4})")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")


class Tier(StrEnum):
    """How much was proven, in order; each includes the ones before."""

    LISTED = "listed"
    SIZES = "sizes"
    CHECKSUMS = "checksums"
    CLOSURE = "closure"
    OPENED = "opened"
    ROWS = "rows"

    @property
    def rank(self) -> int:
        """0 for the first."""
        return list(Tier).index(self)

    def reaches(self, other: Tier) -> bool:
        """Whether this one includes `other`."""
        return self.rank >= other.rank


@dataclass(frozen=True, slots=True)
class Sample:
    """Part `part` of `parts`. A file is in the same part in every run, whatever else the repository holds."""

    part: int = 0
    parts: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """`10%` or `1/7`; a percentage is rounded up to the next whole share. Raises: ValueError."""
        if match := _SHARE.fullmatch(text.strip()):
            parts = int(match[1])
        elif match := _PERCENT.fullmatch(text.strip()):
            share = float(match[1])
            parts = int(100 / share) if 1e-6 <= share <= 100 else 0
        else:
            parts = 0
        if parts < 1:
            raise ValueError(f"{text!r} is not a share like 10% or 1/7")
        return cls(0, parts)

    def for_run(self, number: int) -> Sample:
        """The part of the `number`-th run."""
        return Sample(number % self.parts, self.parts)

    def __str__(self) -> str:
        return f"1/{self.parts}"

    def includes(self, path: str) -> bool:
        """Whether a file is read. What only one backup has is small, and always is."""
        if self.parts == 1 or not path.startswith("shared"):
            return True
        return int.from_bytes(digest(path.encode())[:8], "little") % self.parts == self.part
