"""Runs probes, a few at a time, until each has its verdict."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from walrus_fast.probe.running import ProbeVerdict, RunningProbe

if TYPE_CHECKING:
    from collections.abc import Callable

    from walrus_fast.probe.messages import ProbeRequest

__all__ = ["STALL_SECONDS", "run_probes"]

STALL_SECONDS = 900.0  # opening replays WALs without a word: some GB at some 50 MB/s
_TICK = 0.1


def run_probes(
    count: int,
    *,
    prepare: Callable[[int], ProbeRequest],
    finished: Callable[[int], None],
    workers: int,
    rate: Callable[[], int] = lambda: 0,
    on_progress: Callable[[int], None] = lambda _: None,
    stall_seconds: float = STALL_SECONDS,
) -> list[ProbeVerdict]:
    """Verdicts of probes 0 to `count` - 1, at most `workers` at a time.

    `prepare` makes the request just before a probe starts, `finished` is called once the process is gone, whatever
    came of it. `rate` (bytes a second for all together, 0 for no limit) and `on_progress` (bytes of rows so far) are
    called about ten times a second; what they raise stops everything: probes are killed and reaped first. A probe
    that is silent for `stall_seconds` is killed, which is its verdict. Raises: what the callbacks raise, OSError when
    no process can be started.
    """
    running: dict[int, RunningProbe] = {}
    verdicts: dict[int, ProbeVerdict] = {}
    bytes_before = 0
    waiting = iter(range(count))
    try:
        while len(verdicts) < count:
            while len(running) < max(1, workers) and (index := next(waiting, None)) is not None:
                try:
                    running[index] = RunningProbe(prepare(index))
                except BaseException:
                    finished(index)
                    raise
            for index in _ended(running, stall_seconds):
                probe = running[index]
                verdicts[index] = probe.verdict()
                bytes_before += probe.bytes_done
                del running[index]
                finished(index)
            for probe in running.values():
                probe.set_rate(-(-rate() // len(running)))
            on_progress(bytes_before + sum(probe.bytes_done for probe in running.values()))
    finally:
        for index, probe in running.items():
            probe.stop()
            finished(index)
    return [verdicts[index] for index in range(count)]


def _ended(running: dict[int, RunningProbe], stall_seconds: float) -> list[int]:
    """Listen for a moment; which probes have come to their end."""
    readable, _, _ = select.select(list(running.values()), [], [], _TICK)
    ended = [index for index, probe in running.items() if probe in readable and not probe.listen()]
    now = time.monotonic()
    for index, probe in running.items():
        if index not in ended and now - probe.heard_at > stall_seconds:
            probe.give_up(stall_seconds)
            ended.append(index)
    return ended
