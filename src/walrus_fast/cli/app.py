"""The program: its command groups, and the one place where an error becomes a message and an exit status."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

import click

from walrus_fast.cli.checkpoint_cmd import checkpoint, list_db_checkpoint
from walrus_fast.cli.output import print_error
from walrus_fast.cli.restore_cmd import restore
from walrus_fast.errors import Cancelled, WalrusFastError
from walrus_fast.version import VERSION

__all__ = ["cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="walrus-fast")
def cli() -> None:
    """Hot, verified, restorable backups of a live RocksDB, taken from outside the process that owns it."""


cli.add_command(checkpoint)
cli.add_command(list_db_checkpoint)
cli.add_command(restore)


def main() -> NoReturn:
    """Run one command and exit with its status; see `walrus_fast.errors` for the statuses."""
    # A terminated job is cleaned up like one stopped with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    as_json = "--json" in sys.argv[1:]
    try:
        cli.main(standalone_mode=False)
    except WalrusFastError as exc:
        print_error(exc, as_json=as_json)
        sys.exit(exc.exit_status)
    except (KeyboardInterrupt, click.Abort):
        print_error(Cancelled("stopped"), as_json=as_json)
        sys.exit(Cancelled.exit_status)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except BrokenPipeError:
        # `walrus-node checkpoint list | head`: the reader has seen enough.
        sys.stderr.close()
        sys.exit(0)
    sys.exit(0)
