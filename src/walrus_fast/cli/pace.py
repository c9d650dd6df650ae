"""The rate of a command that works without a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walrus_fast.operations.pace.governor import Governor
from walrus_fast.operations.pace.pressure import NO_PRESSURE, find_gauge
from walrus_fast.rates import AUTO

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.rates import RateLimit

__all__ = ["governor_for"]


def governor_for(files: Files, limit: RateLimit, database: Path | None = None) -> Governor:
    """Keeps `limit`; by the pressure that the owner of `database` feels, where one is known.

    Warns on standard error, once, when there is nothing to go by: a backup without a limit is better than none.
    """
    gauge = find_gauge(files, database) if limit == AUTO else None
    if limit == AUTO and gauge is None:
        click.echo(f"warning: --max-bytes-per-second: {NO_PRESSURE}", err=True)
    return Governor(lambda: limit, lambda: gauge)
