"""The real program, where a blocking call on the event loop is an error: `python -m tests.server.strict`."""

from __future__ import annotations

import os
import sys

from blockbuster import BlockBuster

from walrus_fast.cli.app import main

if __name__ == "__main__":
    guard = BlockBuster()
    guard.activate()
    try:
        main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        # What the guard has put into built-in types crashes Debian's 3.11.2 when it takes the interpreter down.
        os._exit(end.code if isinstance(end.code, int) else 1)
