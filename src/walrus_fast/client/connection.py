"""What both clients share: how a broken connection and an answer that does not fit become errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from walrus_fast.errors import NotPermitted, ProtocolViolation, ServerUnreachable
from walrus_fast.protocol.jobs import received_error
from walrus_fast.protocol.messages import Done, Failure, Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["CHUNK", "RECONNECTS", "RECONNECT_DELAY", "expect", "gone", "translated"]

CHUNK = 1 << 16
RECONNECTS = 5  # tries of `watch` in a row without a word from the server
RECONNECT_DELAY = 0.5  # seconds between them
_Kind = TypeVar("_Kind")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Makes an OSError of the connection an error that names the socket."""
    try:
        yield
    except PermissionError as exc:
        raise NotPermitted(f"the socket {path} may not be used: {exc.strerror}", path=str(path)) from exc
    except FileNotFoundError as exc:
        raise ServerUnreachable(f"there is no socket {path}") from exc
    except ConnectionRefusedError as exc:
        raise ServerUnreachable(f"no server listens on {path}") from exc
    except TimeoutError as exc:
        raise ServerUnreachable(f"the server on {path} does not answer in time") from exc
    except OSError as exc:
        raise ServerUnreachable(f"the connection to {path} broke: {exc}") from exc


def gone(path: Path) -> ServerUnreachable:
    """The error of a connection that ended where an answer was due."""
    return ServerUnreachable(f"the server on {path} closed the connection")


def expect(message: Message, request_id: int, kind: type[_Kind]) -> _Kind:
    """The answer of a request, of the kind that its command has. Raises: what the server says."""
    if isinstance(message, Failure):
        raise received_error(message.error)
    if message.id != request_id or not isinstance(message, Done) or not isinstance(message.answer, kind):
        raise ProtocolViolation(f"an answer that was not asked for: {type(message).__name__}")
    return message.answer
