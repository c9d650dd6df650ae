"""What commands print: text for people, JSON for programs, errors for both."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from walrus_fast.errors import WalrusFastError

__all__ = ["print_error", "print_json"]


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value)} has no JSON form")


def print_json(value: object, *, error: WalrusFastError | None = None) -> None:
    """One JSON document on standard output. Bytes come out as base64, paths as text.

    With an `error`, it is the document's field `error`: a program that reads us finds one document, always.
    """
    if error is not None:
        plain = msgspec.to_builtins(value, enc_hook=_plain, str_keys=True)
        value = {**plain, **_error_document(error)}
    encoded = msgspec.json.encode(value, enc_hook=_plain)
    click.echo(msgspec.json.format(encoded, indent=2))


def print_error(error: WalrusFastError, *, as_json: bool) -> None:
    """The message and the hint on standard error; with --json, the same as a document on standard output."""
    if as_json:
        print_json(_error_document(error))
        return
    click.echo(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        click.echo(f"hint: {error.hint}", file=sys.stderr)


def _error_document(error: WalrusFastError) -> dict[str, object]:
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "retryable": error.retryable,
            "exit_status": error.exit_status,
        }
    }
