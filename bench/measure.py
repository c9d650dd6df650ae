"""Running one command with a clock: wall time of the whole process, its own report, its peak of memory."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Cache", "CommandFailed", "Run", "can_drop_caches", "read_once", "run_command", "settle"]


class Cache(StrEnum):
    """State of the page cache when the clock starts."""

    WARM = "warm"  # everything that will be read was read just before
    COLD = "cold"  # dropped: the first read goes to the disk


class CommandFailed(Exception):
    """A command that was to be measured did not do its work; nothing is measured then."""


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run.

    Attributes:
        wall: seconds from the start of the process to its end.
        seconds: what the program itself says that the operation took; None where it does not say.
        peak_kib: the largest resident set of the process, or of one of its children.
        report: its JSON output.
        load: the load average when it began; more than the cores means that others were at work.
    """

    wall: float
    seconds: float | None
    peak_kib: int
    report: dict[str, object] = field(default_factory=dict)
    load: float = 0.0


def run_command(command: Sequence[str | Path], *, parse: bool = False) -> Run:
    """Run to the end. Raises: CommandFailed with what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        load = os.getloadavg()[0]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            said = (err.read() + out.read()).decode(errors="replace")
            raise CommandFailed(f"{' '.join(map(str, command))}: status {process.returncode}: {said[-2000:]}")
        report = json.loads(out.read()) if parse else {}
    seconds = report.get("seconds")
    return Run(wall, seconds if isinstance(seconds, float) else None, usage.ru_maxrss, report, load)


def settle(cache: Cache, read_before: Iterable[Path]) -> None:
    """Bring the machine into the stated state: nothing dirty, and the files cached or not."""
    os.sync()
    if cache is Cache.COLD:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
    else:
        for folder in read_before:
            read_once(folder)


def read_once(folder: Path) -> None:
    """Bring every file below `folder` into the page cache."""

    def read(path: Path) -> None:
        with path.open("rb", buffering=0) as file:
            buffer = bytearray(1 << 20)
            while file.readinto(buffer):
                pass

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(read, (path for path in folder.rglob("*") if path.is_file())))


def can_drop_caches() -> bool:
    """Only root may."""
    return os.access("/proc/sys/vm/drop_caches", os.W_OK)
