"""Progress on a terminal as one line that is drawn again; in a log as a plain line for each phase."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from walrus_fast.cli.format import format_bytes, format_duration
from walrus_fast.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walrus_fast.operations.progress import JobProgress, Observer

__all__ = ["shown_progress"]


@contextmanager
def shown_progress(*, quiet: bool = False) -> Iterator[Observer]:
    """An observer that shows a job on standard error, and turns Ctrl-C into a clean cancel.

    Quiet (`--json`, `--quiet`): nothing is shown.
    """
    display = _Display(sys.stderr, quiet=quiet)
    try:
        yield display.show
    except KeyboardInterrupt as exc:
        raise Cancelled("stopped; all work was ended and cleaned up") from exc
    finally:
        display.finish()


class _Display:
    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet
        self._terminal = stream.isatty()
        self._phase = ""
        self._since = 0.0
        self._drawn = False

    def show(self, progress: JobProgress) -> None:
        if progress.phase != self._phase:
            self._phase, self._since = progress.phase, time.monotonic()
            if not self._quiet and not self._terminal:
                self._stream.write(f"{progress.phase} ...\n")
                self._stream.flush()
        if self._terminal and not self._quiet:
            width = shutil.get_terminal_size().columns
            self._stream.write("\r\x1b[K" + self._line(progress)[: width - 1])
            self._stream.flush()
            self._drawn = True

    def _line(self, progress: JobProgress) -> str:
        if progress.bytes_total == 0:
            return f"{progress.phase} ..."
        share = progress.bytes_done / progress.bytes_total
        elapsed = max(time.monotonic() - self._since, 1e-6)
        speed = progress.bytes_done / elapsed
        bar = "#" * int(share * 24)
        left = format_duration((progress.bytes_total - progress.bytes_done) / speed) if speed else "?"
        return (
            f"{progress.phase} [{bar:.<24}] {share:4.0%}  {format_bytes(progress.bytes_done)} of "
            f"{format_bytes(progress.bytes_total)}, {progress.files_done} of {progress.files_total} files, "
            f"{format_bytes(speed)}/s, {left} left"
        )

    def finish(self) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
