"""`python -m walrus_fast.probe`: the probe's process."""

from __future__ import annotations

from walrus_fast.probe.child import main

main()
