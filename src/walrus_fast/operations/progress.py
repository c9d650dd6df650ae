"""How a running job tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from walrus_fast.transfer.control import Progress

__all__ = ["JobProgress", "Observer", "Phase", "observed", "silent"]


class Phase(StrEnum):
    """The steps of jobs, in the words of the log and the progress bar."""

    PINNING = "pinning"
    TRANSFERRING = "transferring"
    VERIFYING = "verifying"
    PROVING = "proving"
    COMMITTING = "committing"
    EXCHANGING = "exchanging"


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Where a job is. Bytes of file contents; all zero in phases that move none."""

    phase: Phase
    bytes_done: int = 0
    bytes_total: int = 0
    files_done: int = 0
    files_total: int = 0


# Called in the job's own thread, about ten times a second while bytes move. What it raises stops the job, which
# cleans up first: that is how a job is cancelled.
Observer: TypeAlias = Callable[[JobProgress], None]


def silent(progress: JobProgress) -> None:
    """An observer that does nothing."""


def observed(observer: Observer, phase: Phase) -> Callable[[Progress], None]:
    """Give a transfer's progress to an observer of the job."""

    def report(progress: Progress) -> None:
        observer(
            JobProgress(phase, progress.bytes_done, progress.bytes_total, progress.files_done, progress.files_total)
        )

    return report
