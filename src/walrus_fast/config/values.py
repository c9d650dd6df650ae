"""Durations and numbers of bytes as people write them in the file."""

from __future__ import annotations

import re
from typing import Self

from walrus_fast.rates import AUTO, RateLimit
from walrus_fast.tiers import Sample

__all__ = ["ByteRate", "Duration", "Share", "parse_bytes"]

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|secs|m|min|mins|h|hours?|d|days?)\s*")
_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "secs": 1, "m": 60, "min": 60, "mins": 60, "h": 3600, "d": 86400}
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(I)?B?(?:/S)?", re.IGNORECASE)


class Duration(float):
    """Seconds. In the file `{secs, nanos}` as the node writes it, `4h`, `1h 30m`, or a number of seconds."""

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises: ValueError in words for the operator."""
        if isinstance(value, dict) and set(value) <= {"secs", "nanos"} and value:
            secs, nanos = value.get("secs", 0), value.get("nanos", 0)
            if _is_count(secs) and _is_count(nanos):
                return cls(secs + nanos / 1e9)
        elif isinstance(value, str):
            parts = _PART.findall(value)
            if parts and _PART.sub("", value).strip() == "":
                return cls(sum(float(number) * _seconds_of(unit) for number, unit in parts))
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
            return cls(value)
        raise ValueError(f"{value!r} is not a duration like 4h, 90s or {{secs: 14400, nanos: 0}}")

    def __str__(self) -> str:
        for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60)):
            if self and self % seconds == 0:
                return f"{self / seconds:g}{unit}"
        return f"{float(self):g}s"


class ByteRate:
    """A rate limit. In the file `100MB`, `64MiB`, a number, or `auto`."""

    # No dataclass: msgspec would read it as an object with a field.
    __slots__ = ("limit",)

    def __init__(self, limit: RateLimit = 0) -> None:
        self.limit: RateLimit = limit

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByteRate) and other.limit == self.limit

    def __hash__(self) -> int:
        return hash(self.limit)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises: ValueError in words for the operator."""
        if _is_count(value):
            return cls(value)  # type: ignore[arg-type]
        if isinstance(value, str):
            return cls(AUTO if value == AUTO else parse_bytes(value))
        raise ValueError(f"{value!r} is not a number of bytes like 50MB or 64MiB, nor auto")

    def __str__(self) -> str:
        return str(self.limit)


class Share(str):
    """Of the files that a verification reads: `10%`, `1/7`."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises: ValueError in words for the operator."""
        Sample.parse(str(value))
        return cls(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _seconds_of(unit: str) -> float:
    return _SECONDS[unit] if unit in _SECONDS else _SECONDS[unit[0]]


def parse_bytes(text: str) -> int:
    """`1000000`, `50MB`, `64MiB`, `1.5G` as a number. Raises: ValueError in words for the operator."""
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a number of bytes like 50MB or 64MiB")
    base = 1024 if match[2] and match[3] else 1000
    return int(float(match[1]) * base ** " KMGT".index(match[2].upper() or " "))
