"""Frames: how messages become bytes, and a stream of bytes messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from walrus_fast.errors import ProtocolViolation
from walrus_fast.protocol.messages import VERSION, Message, Request
from walrus_fast.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Frames",
    "MAX_REPLY_BYTES",
    "MAX_REQUEST_BYTES",
    "decode_message",
    "decode_request",
    "encode_frame",
]

MAX_REQUEST_BYTES = 1 << 16  # the longest command is some paths and a list of ids
MAX_REPLY_BYTES = 64 << 20  # a list of 100,000 backups is 15 MB
_LENGTH_BYTES = 4

_ENCODER = msgspec.msgpack.Encoder()
_REQUESTS = msgspec.msgpack.Decoder(Request)
_MESSAGES: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode_frame(message: msgspec.Struct) -> bytes:
    """The bytes of one frame."""
    buffer = bytearray(_LENGTH_BYTES)
    _ENCODER.encode_into(message, buffer, _LENGTH_BYTES)
    buffer[:_LENGTH_BYTES] = (len(buffer) - _LENGTH_BYTES).to_bytes(_LENGTH_BYTES, "big")
    return bytes(buffer)


def decode_request(payload: bytes) -> Request:
    """The contents of a client's frame. Raises: ProtocolViolation."""
    try:
        request = _REQUESTS.decode(payload)
    except UNDECODABLE as exc:
        raise ProtocolViolation(f"not a request: {exc}") from exc
    if request.version != VERSION:
        raise ProtocolViolation(f"protocol version {request.version} is asked for, {VERSION} is spoken here")
    return request


def decode_message(payload: bytes) -> Message:
    """The contents of a server's frame. Raises: ProtocolViolation."""
    try:
        return _MESSAGES.decode(payload)
    except UNDECODABLE as exc:
        raise ProtocolViolation(f"not an answer: {exc}") from exc


class Frames:
    """Cuts a stream of bytes into the contents of frames of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self.used = False

    @property
    def partial(self) -> bool:
        """Whether the beginning of a frame waits for its rest."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        self._buffer += data
        self.used = True

    def __iter__(self) -> Iterator[bytes]:
        """The whole frames so far, each once. Raises: ProtocolViolation for one that is too long."""
        buffer = self._buffer
        while len(buffer) >= _LENGTH_BYTES:
            length = int.from_bytes(buffer[:_LENGTH_BYTES], "big")
            if length > self._limit:
                raise ProtocolViolation(f"a frame of {length} bytes is announced, {self._limit} are allowed")
            end = _LENGTH_BYTES + length
            if len(buffer) < end:
                return
            payload = bytes(buffer[_LENGTH_BYTES:end])
            del buffer[:end]
            yield payload
