"""The real program, where a blocking call on the event loop is an error: `python -m tests.server.strict`."""

from __future__ import annotations

from blockbuster import BlockBuster

from walrus_fast.cli.app import main

if __name__ == "__main__":
    guard = BlockBuster()
    guard.activate()
    main()
