"""How much of the time tasks wait for I/O: the kernel's pressure stall information (PSI).

Documentation/accounting/psi.rst: the line `some` counts the microseconds in which at least one task waited.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from walrus_fast.errors import StorageError
from walrus_fast.rocksdb.ownership import owner_pid

if TYPE_CHECKING:
    from collections.abc import Callable

    from walrus_fast.files import Files

__all__ = ["NO_PRESSURE", "PressureGauge", "find_gauge"]

NO_PRESSURE = (
    "the I/O pressure cannot be read here (no /proc/pressure/io: a kernel before 4.20, without CONFIG_PSI, or booted "
    "with psi=0), so `auto` is no limit; give a number of bytes a second instead"
)
_SOME = re.compile(rb"some avg10=[\d.]+ avg60=[\d.]+ avg300=([\d.]+) total=(\d+)")
_PROC = Path("/proc")
_CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))  # version 2 alone, or beside version 1


class PressureGauge:
    """Reads one pressure file. What cannot be read counts as no pressure: a cgroup that is gone has no tasks."""

    def __init__(self, files: Files, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._files = files
        self._clock = clock
        self._last: tuple[float, int] | None = None

    def read(self) -> tuple[float, int] | None:
        """(share of the last five minutes, microseconds in all); None where there is no such information.

        The file may be there and still refuse (EOPNOTSUPP), or be empty.
        """
        try:
            found = _SOME.match(self._files.read_bytes(self.path))
        except StorageError:
            return None  # said once by whoever asked for `auto`; a file that comes and goes is a cgroup that does
        return None if found is None else (float(found[1]) / 100, int(found[2]))

    def stalled(self) -> float:
        """The share of the time since the last call in which a task waited; 0 at the first."""
        now, found, last = self._clock(), self.read(), self._last
        self._last = None if found is None else (now, found[1])
        if self._last is None or last is None or now <= last[0]:
            return 0.0
        return max(0.0, min(1.0, (self._last[1] - last[1]) / 1e6 / (now - last[0])))


def find_gauge(
    files: Files, database: Path | None, *, proc: Path = _PROC, cgroups: tuple[Path, ...] = _CGROUPS
) -> PressureGauge | None:
    """The gauge that tells best what the owner of `database` feels; None where there is no pressure information.

    The owner's cgroup counts the owner's waiting and not ours. Without one of its own (no owner, one cgroup with us, or
    cgroups of version 1) it is the whole host, which counts our own waiting as well. Our own cgroup would tell least:
    what we do to ourselves. Must not be called in the process that owns the database (`owner_pid`).
    """
    paths = [proc / "pressure" / "io"]
    if database is not None and (group := _owner_group(files, database, proc)):
        paths = [*(root / group / "io.pressure" for root in cgroups), *paths]
    gauges = (PressureGauge(files, path) for path in paths)
    return next((gauge for gauge in gauges if gauge.read() is not None), None)


def _owner_group(files: Files, database: Path, proc: Path) -> str:
    """The cgroup of the database's owner below the root, "" when there is none or we are in it."""
    try:
        pid = owner_pid(files, database)
        theirs, ours = (_group(files, proc / str(of)) for of in (pid, "self")) if pid else ("", "")
    except StorageError:
        return ""  # it has just ended, or may not be looked at
    return "" if f"{ours}/".startswith(f"{theirs}/") else theirs.lstrip("/")


def _group(files: Files, process: Path) -> str:
    lines = files.read_bytes(process / "cgroup").decode(errors="surrogateescape").splitlines()
    return next((line.removeprefix("0::").rstrip("/") for line in lines if line.startswith("0::")), "")
