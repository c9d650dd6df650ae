"""The wire: the examples of the document, and what survives a newer version."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.examples import EXAMPLES
from walrus_fast import errors
from walrus_fast.errors import ProtocolViolation, WalrusFastError, error_of_code
from walrus_fast.protocol.frames import Frames, decode_message, decode_request, encode_frame
from walrus_fast.protocol.jobs import error_body, received_error
from walrus_fast.protocol.messages import Ping, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "protocol.md"


def documented() -> dict[str, bytes]:
    """The bytes of each example in the document."""
    found = re.findall(r"### ([a-z ]+)\n\n```json\n.*?\n```\n\n```hex\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return {name: bytes.fromhex(text) for name, text in found}


def test_the_document_shows_every_example() -> None:
    assert set(documented()) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_documents_bytes_are_those_on_the_wire(name: str) -> None:
    message, data = EXAMPLES[name], documented()[name]
    assert encode_frame(message) == data
    decode = decode_request if isinstance(message, Request) else decode_message
    frames = Frames(1 << 20)
    frames.feed(data)
    assert [decode(payload) for payload in frames] == [message]
    assert not frames.partial


def test_unknown_fields_of_a_newer_client_are_ignored() -> None:
    newer = {"type": "request", "id": 1, "version": 1, "new": True, "command": {"type": "ping", "loud": 3}}
    assert decode_request(msgspec.msgpack.encode(newer)) == Request(1, Ping())


@given(cuts=st.lists(st.integers(1, 40), min_size=1))
def test_frames_come_out_whole_however_they_arrive(cuts: list[int]) -> None:
    stream = b"".join(encode_frame(message) for message in EXAMPLES.values())
    frames, seen, at = Frames(1 << 16), 0, 0
    while at < len(stream):
        step = cuts[at % len(cuts)]
        frames.feed(stream[at : at + step])
        at += step
        seen += sum(1 for _ in frames)
    assert seen == len(EXAMPLES)


@given(data=st.binary(max_size=200))
def test_garbage_is_a_violation_and_nothing_else(data: bytes) -> None:
    for decode in (decode_request, decode_message):
        try:
            decode(data)
        except ProtocolViolation:
            continue


def kinds() -> Iterator[type[WalrusFastError]]:
    """Every error there is."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, WalrusFastError):
            yield kind


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_error_crosses_the_wire_as_itself(kind: type[WalrusFastError]) -> None:
    error = kind("what", hint="do")
    received = received_error(error_body(error))
    assert type(received) is kind
    assert (received.message, received.hint, received.exit_status) == ("what", "do", kind.exit_status)


def test_an_error_of_a_newer_version_keeps_its_code() -> None:
    error = error_of_code("moon-phase", "wrong moon", hint="wait", exit_status=99)
    assert (error.code, error.exit_status, str(error)) == ("moon-phase", 99, "wrong moon")
