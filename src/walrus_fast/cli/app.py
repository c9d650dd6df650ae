"""The program: its command groups, and the one place where an error becomes a message and an exit status."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any, NoReturn

import click

from walrus_fast.cli.output import print_error
from walrus_fast.errors import Cancelled, WalrusFastError
from walrus_fast.version import VERSION

__all__ = ["cli", "main"]

# name -> (module below walrus_fast.cli, attribute, what the help says). A command's module is imported when the
# command is used: importing them all takes 200 ms, and a help text must not.
_COMMANDS = {
    "run": ("run_cmd", "run", "Run the node: admin socket, jobs, schedule."),
    "local-admin": ("local_admin_cmd", "local_admin", "Give orders to a running node over its admin socket."),
    "checkpoint": ("checkpoint_cmd", "checkpoint", "Make, list, verify and delete backups, without a node."),
    "restore": ("restore_cmd", "restore", "Restore a database; what is there is kept beside it."),
    "list-db-checkpoint": ("checkpoint_cmd", "list_db_checkpoint", "List the backups in a folder."),
    "check": ("check_cmd", "check", "Say in one line whether there are backups worth having. For monitoring."),
    "config": ("config_cmd", "config", "Check a configuration file, and show what it puts in force."),
}


class _ReaderGone(Exception):
    """Nobody reads our standard output any more: `walrus-node checkpoint list | head`."""


class _Commands(click.Group):
    """Knows its commands by name and imports them when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"walrus_fast.cli.{module}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} is no command")
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse our own options, of which `--help` prints. As `invoke`."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except BrokenPipeError as exc:
            raise _ReaderGone from exc

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; a reader who has left is no failure, for which click would take it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as exc:
            raise _ReaderGone from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """From the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="walrus-fast")
def cli() -> None:
    """Hot, verified, restorable backups of a live RocksDB, taken from outside the process that owns it."""


def main() -> NoReturn:
    """Run one command and exit with its status; see `walrus_fast.errors` for the statuses."""
    # A terminated job is cleaned up like one stopped with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = 0
    try:
        try:
            cli.main(standalone_mode=False)
        except WalrusFastError as exc:
            status = exc.exit_status
            print_error(exc, as_json=_wants_json())
        except (KeyboardInterrupt, click.Abort):
            status = Cancelled.exit_status
            print_error(Cancelled("stopped"), as_json=_wants_json())
        except click.ClickException as exc:
            status = exc.exit_code
            exc.show()
    except (_ReaderGone, BrokenPipeError):
        # Python flushes standard output once more on its way out, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _wants_json() -> bool:
    return "--json" in sys.argv[1:]
