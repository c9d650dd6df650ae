"""What a worker is told and what it answers. A task holds everything; a worker reads no configuration."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from walrus_fast.methods import Method  # noqa: TC001  (msgspec resolves it at run time)

__all__ = ["Answers", "FailedFile", "TransferItem", "TransferTask", "TransferredFile"]


class TransferItem(msgspec.Struct, frozen=True, gc=False):
    """One file: the first `size` bytes of `source` go to the new file `target`, by the first method that works.

    No target: the bytes are read and checksummed where they are.
    """

    source: str
    target: str | None
    size: int
    methods: tuple[Method, ...] = ()


class TransferTask(msgspec.Struct, frozen=True):
    """A batch of items for one worker. `slot` is its line of counters in the control block at `control`.

    `owner` is the process that waits for the answer; when it is gone, the work stops.

    With `keep_going` an item that fails is answered by a `FailedFile` and the others are done all the same.
    """

    items: tuple[TransferItem, ...]
    owner: int
    control: str
    slot: int
    sync: bool
    keep_going: bool


class TransferredFile(msgspec.Struct, frozen=True, gc=False):
    """The answer for one item: what its bytes are, and how they got there."""

    size: int
    crc32c: int
    xxh3: bytes
    method: Method


class FailedFile(msgspec.Struct, frozen=True):
    """The answer for an item that could not be read: why, in words."""

    message: str


Answers: TypeAlias = list[TransferredFile | FailedFile]
