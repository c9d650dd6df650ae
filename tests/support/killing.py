"""Runs the program in the background, to be stopped or killed, and finds the workers that it started."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.command import PROGRAM

if TYPE_CHECKING:
    import random

GONE_WITHIN = 20.0
_POLL = 0.01
_MARK = "WALRUS_FAST_TEST_RUN"


class Run:
    """A run of the program. All its processes carry a mark in their environment, so that orphans are found."""

    def __init__(self, *arguments: object, stderr: int = subprocess.DEVNULL) -> None:
        self._mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [str(PROGRAM), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, _MARK: self._mark},
        )

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end, at most so long."""
        fd = os.pidfd_open(self.process.pid)
        try:
            return bool(select.select([fd], [], [], seconds)[0])
        finally:
            os.close(fd)

    def helpers(self) -> list[int]:
        """Its workers and fork servers that are there now."""
        wanted, found = f"{_MARK}={self._mark}".encode(), []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.process.pid:
                try:
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
                except OSError:
                    continue  # ended while we looked, or not ours to look at
        return found

    def wait_until(self, what: str, condition: object) -> None:
        """Poll until `condition()` is true; fails after GONE_WITHIN seconds."""
        assert callable(condition)
        deadline = time.monotonic() + GONE_WITHIN
        while not condition():
            assert time.monotonic() < deadline, f"waited {GONE_WITHIN:g} s: {what}"
            time.sleep(_POLL)  # between looks at /proc or a folder, which send no events

    def end(self, number: int) -> tuple[int, str, str]:
        """Send a signal, wait for the end, assert that no worker outlives it: (status, standard output, error)."""
        self.process.send_signal(number)
        out, error = self.process.communicate(timeout=GONE_WITHIN)
        self.assert_nobody_works()
        return self.process.returncode, out, error or ""

    def assert_nobody_works(self) -> None:
        """No worker and no fork server is left, or they go at once."""
        self.wait_until("its workers are still there", lambda: not self.helpers())


def timed(*arguments: object) -> float:
    """Seconds that a run takes from start to end; it must succeed."""
    started = time.monotonic()
    subprocess.run([str(PROGRAM), *map(str, arguments)], check=True, capture_output=True, timeout=60)
    return time.monotonic() - started


def kill_within(seconds: float, randomness: random.Random, *arguments: object) -> bool:
    """SIGKILL a run at a moment drawn from `seconds`; False when it was done by then. No worker survives."""
    run = Run(*arguments)
    if not run.ends_within(randomness.uniform(0, seconds)):
        run.process.kill()
    run.process.communicate(timeout=GONE_WITHIN)
    assert run.process.returncode in (0, -signal.SIGKILL), run.process.returncode
    run.assert_nobody_works()
    return run.process.returncode != 0
