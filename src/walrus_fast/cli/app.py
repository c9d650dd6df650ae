"""The program: its command groups, and the one place where an error becomes a message and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import Any, NoReturn

import click

from walrus_fast.cli.lazy import CommandTable, LazyGroup
from walrus_fast.cli.output import print_error
from walrus_fast.errors import Cancelled, WalrusFastError, storage_error
from walrus_fast.version import VERSION

__all__ = ["cli", "main"]

_COMMANDS: CommandTable = {
    "run": ("run_cmd", "run", "Run the node: admin socket, jobs, schedule."),
    "local-admin": ("local_admin_cmd", "local_admin", "Give orders to a running node over its admin socket."),
    "checkpoint": ("checkpoint_cmd", "checkpoint", "Make, list, verify and delete backups, without a node."),
    "restore": ("restore_cmd", "restore", "Restore a database; what is there is kept beside it."),
    "list-db-checkpoint": ("list_cmd", "list_db_checkpoint", "List the backups in a folder."),
    "check": ("check_cmd", "check", "Say in one line whether there are backups worth having. For monitoring."),
    "doctor": ("doctor_cmd", "doctor", "Say what will go wrong, and what to do about it."),
    "completion": ("completion_cmd", "completion", "Print what bash, zsh or fish need to complete commands."),
    "config": ("config_cmd", "config", "Check a configuration file, and show what it puts in force."),
}


class _ReaderGone(Exception):
    """Nobody reads our standard output any more: `walrus-node checkpoint list | head`."""


class _Commands(LazyGroup):
    """The program's own group: for it, a reader who has left is no failure."""

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


@click.group(
    cls=_Commands,
    table=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
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
            sys.stdout.flush()
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
        _forget_output()
    except OSError as exc:
        if not _is_of_output(exc):
            raise  # a call that nobody translated: a mistake of ours
        _forget_output()
        error = storage_error(exc.errno or 0, "write", "the report to standard output")
        status = error.exit_status
        print_error(error, as_json=False)
    sys.exit(status)


def _is_of_output(exc: OSError) -> bool:
    """Whether it came from writing what a command says: raised by click or by us here, not by an operation."""
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    return exc.filename is None and frames[-1].f_globals.get("__name__", "").startswith(("click.", "walrus_fast.cli."))


def _forget_output() -> None:
    """Python flushes standard output once more on its way out, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _wants_json() -> bool:
    return "--json" in sys.argv[1:]
