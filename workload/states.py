"""What each step writes, and what every column family holds after step N: pure arithmetic.

`operations` and `expected` are two independent descriptions of the same thing; a test folds the first into a
dictionary and compares it with the second.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FAMILIES = ("default", "overwritten", "deleted", "blobs", "appended", "small")
CHURN_PREFIX = "churn_"
COUNTER = b"counter"
CHECKSUM = b"checksum"
PLAN = b"plan"
MARK = b"mark"
SINCE = b"since"

OVERWRITTEN_SLOTS = 1024
DELETE_AFTER = 700
RANGE_EVERY = 500
BLOB_EVERY = 16
BLOB_SLOTS = 128
MARK_EVERY = 100
VALUE_SIZES = (16, 200)
BLOB_SIZES = (2 << 10, 32 << 10)
POOL_BYTES = 1 << 20


@dataclass(frozen=True)
class Plan:
    """All that the content depends on, apart from the step. Step 1 stores it in `default`.

    Attributes:
        seed: chooses every value.
        value_scale: multiplies the size of the values in `overwritten` and `blobs`.
        churn_every: every so many steps a family `churn_<step>` is born; 0 = never.
    """

    seed: int
    value_scale: float = 1.0
    churn_every: int = 0

    @property
    def churn_life(self) -> int:
        """How many steps write to a churn family, from the step after its birth on."""
        return 2 * self.churn_every + self.churn_every // 2

    def encode(self) -> bytes:
        """The value of the key `plan`."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @staticmethod
    def decode(data: bytes) -> Plan:
        """The opposite of `encode`; ValueError or TypeError if `data` is not a plan."""
        return Plan(**json.loads(data))


class Put(NamedTuple):
    """Set a key."""

    family: str
    key: bytes
    value: bytes


class Delete(NamedTuple):
    """Remove a key."""

    family: str
    key: bytes


class DeleteRange(NamedTuple):
    """Remove the keys from `begin` up to, not including, `end`."""

    family: str
    begin: bytes
    end: bytes


Operation = Put | Delete | DeleteRange


@lru_cache(maxsize=4)
def noise(seed: int, size: int) -> bytes:
    """`size` incompressible bytes that depend on the seed only."""
    return hashlib.shake_256(b"walrus-fast noise %d" % seed).digest(size)


def checksum(plan: Plan, step: int) -> bytes:
    """16 hexadecimal digits that only this step of this seed has."""
    return hashlib.blake2b(b"%d/%d" % (plan.seed, step), digest_size=8).hexdigest().encode()


def _value(plan: Plan, step: int, sizes: tuple[int, int]) -> bytes:
    """A value whose size and bytes follow from the step; it begins with the step, for whoever debugs."""
    low, high = sizes
    draw = int.from_bytes(hashlib.blake2b(b"%d:%d" % (plan.seed, step), digest_size=8).digest(), "little")
    size = int((low + draw % (high - low + 1)) * plan.value_scale)
    pool = noise(plan.seed, POOL_BYTES + int(BLOB_SIZES[1] * plan.value_scale))
    offset = (draw >> 20) % POOL_BYTES
    return b"%d:" % step + pool[offset : offset + size]


def overwritten_key(slot: int) -> bytes:
    """The key of a slot in `overwritten`."""
    return b"o%06d" % slot


def blob_key(slot: int) -> bytes:
    """The key of a slot in `blobs`."""
    return b"b%06d" % slot


def blob_value(plan: Plan, step: int) -> bytes:
    """The value that `step`, a multiple of BLOB_EVERY, puts into its slot of `blobs`."""
    return _value(plan, step, BLOB_SIZES)


def step_key(kind: bytes, step: int) -> bytes:
    """`a`, `d` or `r` and the step: the keys of `appended` and of the two halves of `deleted`."""
    return b"%c%012d" % (kind, step)


def churn_name(born: int) -> str:
    """The family born after step `born`."""
    return f"{CHURN_PREFIX}{born}"


def churn_written(plan: Plan, step: int) -> tuple[int, ...]:
    """Births of the churn families that `step` writes to: born < step <= born + churn_life."""
    every = plan.churn_every
    if not every:
        return ()
    first = max(1, -(-(step - plan.churn_life) // every))
    return tuple(range(first * every, step, every))


def churn_families(plan: Plan, n: int) -> tuple[frozenset[int], frozenset[int]]:
    """Births of the churn families that must exist, and of those that may, between steps n and n + 1.

    Between the two steps the writer drops and creates families until exactly those exist that step n + 1
    writes to, so a kill can find any state on the way; after n + 1 is written it can find no other.
    """
    before, after = frozenset(churn_written(plan, n)), frozenset(churn_written(plan, n + 1))
    return before & after, before | after


def operations(plan: Plan, step: int) -> Iterator[Operation]:
    """The one atomic batch of `step` (1, 2, …)."""
    counter = b"%d" % step
    for family in FAMILIES:
        yield Put(family, COUNTER, counter)
    yield Put("default", CHECKSUM, checksum(plan, step))
    if step == 1:
        yield Put("default", PLAN, plan.encode())
    yield Put("overwritten", overwritten_key(step % OVERWRITTEN_SLOTS), _value(plan, step, VALUE_SIZES))
    yield Put("deleted", step_key(b"d", step), counter)
    yield Put("deleted", step_key(b"r", step), counter)
    if step > DELETE_AFTER:
        yield Delete("deleted", step_key(b"d", step - DELETE_AFTER))
    if step % RANGE_EVERY == 0 and step > RANGE_EVERY:
        begin, end = step - 2 * RANGE_EVERY, step - RANGE_EVERY
        yield DeleteRange("deleted", step_key(b"r", begin), step_key(b"r", end))
    if step % BLOB_EVERY == 0:
        yield Put("blobs", blob_key((step // BLOB_EVERY - 1) % BLOB_SLOTS), blob_value(plan, step))
    yield Put("appended", step_key(b"a", step), checksum(plan, step))
    if step % MARK_EVERY == 0:
        yield Put("small", MARK, counter)
    for born in churn_written(plan, step):
        yield Put(churn_name(born), COUNTER, counter)
        if step == born + 1:
            yield Put(churn_name(born), SINCE, counter)


def expected(plan: Plan, family: str, n: int) -> Iterator[tuple[bytes, bytes]]:
    """Every key and value of `family` after step n, in the order of the keys.

    Of a churn family: what it must hold if it exists; `churn_families` says whether it may.
    """
    if family.startswith(CHURN_PREFIX):
        return _expected_churn(plan, int(family.removeprefix(CHURN_PREFIX)), n)
    return _EXPECTED[family](plan, n) if n else iter(())


def _expected_churn(plan: Plan, born: int, n: int) -> Iterator[tuple[bytes, bytes]]:
    if n > born:
        yield COUNTER, b"%d" % min(n, born + plan.churn_life)
        yield SINCE, b"%d" % (born + 1)


def _expected_default(plan: Plan, n: int) -> Iterator[tuple[bytes, bytes]]:
    yield CHECKSUM, checksum(plan, n)
    yield COUNTER, b"%d" % n
    yield PLAN, plan.encode()


def _expected_overwritten(plan: Plan, n: int) -> Iterator[tuple[bytes, bytes]]:
    yield COUNTER, b"%d" % n
    for slot in range(OVERWRITTEN_SLOTS):
        step = n - (n - slot) % OVERWRITTEN_SLOTS
        if step > 0:
            yield overwritten_key(slot), _value(plan, step, VALUE_SIZES)


def _expected_deleted(_plan: Plan, n: int) -> Iterator[tuple[bytes, bytes]]:
    yield COUNTER, b"%d" % n
    for step in range(max(1, n - DELETE_AFTER + 1), n + 1):
        yield step_key(b"d", step), b"%d" % step
    for step in range(max(1, (n // RANGE_EVERY - 1) * RANGE_EVERY), n + 1):
        yield step_key(b"r", step), b"%d" % step


def _expected_blobs(plan: Plan, n: int) -> Iterator[tuple[bytes, bytes]]:
    newest = n // BLOB_EVERY - 1
    for slot in range(BLOB_SLOTS):
        written = newest - (newest - slot) % BLOB_SLOTS
        if written >= 0:
            yield blob_key(slot), blob_value(plan, (written + 1) * BLOB_EVERY)
    yield COUNTER, b"%d" % n


def _expected_appended(plan: Plan, n: int) -> Iterator[tuple[bytes, bytes]]:
    for step in range(1, n + 1):
        yield step_key(b"a", step), checksum(plan, step)
    yield COUNTER, b"%d" % n


def _expected_small(_plan: Plan, n: int) -> Iterator[tuple[bytes, bytes]]:
    yield COUNTER, b"%d" % n
    if n >= MARK_EVERY:
        yield MARK, b"%d" % (n - n % MARK_EVERY)


_EXPECTED = {
    "default": _expected_default,
    "overwritten": _expected_overwritten,
    "deleted": _expected_deleted,
    "blobs": _expected_blobs,
    "appended": _expected_appended,
    "small": _expected_small,
}
