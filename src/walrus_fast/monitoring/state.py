"""What a monitor is told of the node, frozen at one instant of the loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walrus_fast.monitoring.disks import DiskReading
    from walrus_fast.protocol.jobs import ErrorBody, Job
    from walrus_fast.protocol.survey import RepositorySurvey
    from walrus_fast.rates import RateLimit

__all__ = ["NodeState", "ScheduleState", "View"]


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """`what` is backup, verification or drill; `interval` in seconds, 0: not scheduled; `next_due` in seconds since
    1970, None: not scheduled, or not known yet."""

    what: str
    interval: float
    next_due: float | None


@dataclass(frozen=True, slots=True)
class NodeState:
    """The node. `jobs` are those of this run, newest first; `limit` is in bytes a second, 0: none."""

    now: float
    started: float
    mode: str
    database: str
    repository: str | None
    jobs: tuple[Job, ...]
    workers: int
    workers_busy: int
    limit: RateLimit
    connections: int
    schedules: tuple[ScheduleState, ...]
    stopping: bool = False

    def interval(self, what: str) -> float:
        """Seconds between two runs of a schedule; 0: there is none."""
        return next((schedule.interval for schedule in self.schedules if schedule.what == what), 0.0)


@dataclass(frozen=True, slots=True)
class View:
    """The node, and what was last read of its repository and disks.

    `survey` is None until the first one; `survey_error` says why the last look failed, then `survey` is an older one.
    `fills_in` is when the repository's disk is full, in seconds, None: not foreseeable. `rates` are the bytes a second
    of running jobs, by job id; `failures` are those in a row, by kind of job.
    """

    node: NodeState
    survey: RepositorySurvey | None = None
    survey_seconds: float = 0.0
    survey_error: ErrorBody | None = None
    disks: DiskReading | None = None
    fills_in: float | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
