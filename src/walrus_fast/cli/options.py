"""Options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path

import click

from walrus_fast.config.values import Duration, parse_bytes
from walrus_fast.methods import TransferMode
from walrus_fast.rates import AUTO, RateLimit

__all__ = [
    "DURATION",
    "PATH",
    "RATE",
    "json_option",
    "mode_option",
    "path_option",
    "rate_option",
    "wait_option",
    "workers_option",
]

_NUMBER = re.compile(r"\d+(\.\d+)?")


class _Rate(click.ParamType[RateLimit]):
    """`1000000`, `50MB`, `64MiB`, `1.5G`; 0 and `auto`."""

    name = "bytes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> RateLimit:
        """Bytes a second. Raises: click.BadParameter."""
        if isinstance(value, int):
            return value
        try:
            return AUTO if value == AUTO else parse_bytes(str(value))
        except ValueError as exc:
            self.fail(f"{exc}, nor auto", param, ctx)


class _Duration(click.ParamType[float]):
    """`6h`, `1h 30m`, `90`, as in the configuration file."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds. Raises: click.BadParameter."""
        try:
            return Duration.parse(float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


RATE = _Rate()
DURATION = _Duration()
PATH = click.Path(path_type=Path, readable=False)  # what cannot be read is an error of ours, with its own status

path_option = click.option("--path", "repository", type=PATH, required=True, help="The repository's folder.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document for programs.")
workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), default=2, show_default=True, help="Worker processes at most."
)
rate_option = click.option(
    "--max-bytes-per-second",
    type=RATE,
    default=0,
    help="Limit of bytes read and written together, e.g. 100MB; auto gives way when the owner waits for I/O. "
    "No limit unless given.",
)
wait_option = click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="How long to wait for a busy repository. Not at all unless given.",
)
mode_option = click.option(
    "--transfer-mode",
    "mode",
    type=click.Choice([mode.value for mode in TransferMode]),
    default=TransferMode.AUTO.value,
    show_default=True,
    help="How files get where they go; auto takes what costs least and works.",
)
