"""`run`: the node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from walrus_fast.cli.options import PATH
from walrus_fast.server.app import serve

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]


@click.command("run")
@click.option("--config-path", type=PATH, required=True, help="The node's configuration file.")
@click.option("--drain", is_flag=True, help="On SIGTERM, finish the running job first; a second one cancels it.")
def run(config_path: Path, drain: bool) -> None:
    """Run the node until SIGTERM: admin socket, jobs, schedule. SIGHUP reads the configuration again."""
    serve(config_path.absolute(), drain=drain)
