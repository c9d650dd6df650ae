"""A limit on how fast bytes may move, as operators give it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

__all__ = ["AUTO", "RateLimit"]

AUTO: Final = "auto"

# Bytes a second, read and written together; 0 is no limit; AUTO is whatever the machine's I/O pressure leaves.
RateLimit: TypeAlias = int | Literal["auto"]
