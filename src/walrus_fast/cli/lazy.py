"""A command group that knows its commands by name and imports each one's module when it is used.

What a command imports is most of what a small backup takes: all of `checkpoint`'s commands together 100 ms, `create`
alone 40 ms.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CommandTable", "LazyGroup"]

# name -> (module below walrus_fast.cli, attribute, what the help says)
CommandTable = dict[str, tuple[str, str, str]]


class LazyGroup(click.Group):
    """Commands come from `table`, in its order; its help texts are shown without importing any."""

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str, str]], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command."""
        if cmd_name not in self.table:
            return None
        module, attribute, _ = self.table[cmd_name]
        command = getattr(importlib.import_module(f"walrus_fast.cli.{module}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """From the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self.table.items()])
