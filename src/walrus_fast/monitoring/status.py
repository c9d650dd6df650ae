"""The status document: what `/status.json` says, and the page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from walrus_fast.monitoring.verdict import Level, findings_of
from walrus_fast.protocol.jobs import BackupSummary, ErrorBody, Job, JobState
from walrus_fast.protocol.survey import SpaceFigures  # noqa: TC001  (msgspec resolves it at run time)
from walrus_fast.version import VERSION

if TYPE_CHECKING:
    from walrus_fast.monitoring.state import View

__all__ = ["Disk", "Reason", "RunningJob", "ScheduledRun", "Status", "status_of"]

_MOST_ERRORS = 5
_LONGEST_MESSAGE = 600  # characters of an error; the log has it whole


class Reason(msgspec.Struct, frozen=True):
    """As `verdict.Finding`."""

    level: Level
    text: str


class ScheduledRun(msgspec.Struct, frozen=True):
    """`every` in seconds, 0: not scheduled. `due` in seconds since 1970, null: not scheduled or not known yet."""

    what: str
    every: float
    due: float | None


class Disk(msgspec.Struct, frozen=True):
    """Bytes."""

    name: str
    size: int
    free: int


class RunningJob(msgspec.Struct, frozen=True):
    """`rate` in bytes a second over the last ten, null: it moves none."""

    job: Job
    rate: float | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Dates in seconds since 1970, sizes in bytes. `backups` oldest first; `errors` newest first.

    `level` is the worst of `reasons`. `surveyed` is when the repository was last read, null: not yet, or none is
    configured. `disk_full_in` in seconds, null: not foreseeable.
    """

    version: str
    now: float
    started: float
    mode: str
    database: str
    repository: str | None
    level: Level
    reasons: tuple[Reason, ...]
    surveyed: float | None
    backups: tuple[BackupSummary, ...]
    verified: dict[str, float]
    drilled: float | None
    restorable: float | None
    space: SpaceFigures | None
    disks: tuple[Disk, ...]
    disk_full_in: float | None
    running: tuple[RunningJob, ...]
    queue: tuple[Job, ...]
    errors: tuple[Job, ...]
    schedules: tuple[ScheduledRun, ...]


def status_of(view: View) -> Status:
    """The document of a view."""
    node, survey = view.node, view.survey
    disks = view.disks.disks if view.disks else {}
    reasons = tuple(Reason(finding.level, finding.text[:_LONGEST_MESSAGE]) for finding in findings_of(view))
    working = [job for job in node.jobs if job.state in (JobState.RUNNING, JobState.STOPPING)]
    return Status(
        version=VERSION,
        now=node.now,
        started=node.started,
        mode=node.mode,
        database=node.database,
        repository=node.repository,
        level=reasons[0].level if reasons else Level.GOOD,
        reasons=reasons,
        surveyed=survey.date if survey else None,
        backups=survey.backups if survey else (),
        verified={tier.value: date for tier, date in survey.verified.items()} if survey else {},
        drilled=survey.drilled if survey else None,
        restorable=survey.restorable if survey else None,
        space=survey.space if survey else None,
        disks=tuple(Disk(name, space.size, space.free) for name, space in disks.items()),
        disk_full_in=view.fills_in,
        running=tuple(RunningJob(job, view.rates.get(job.job_id)) for job in reversed(working)),
        queue=tuple(job for job in reversed(node.jobs) if job.state in (JobState.SCHEDULED, JobState.QUEUED)),
        errors=tuple(_shortened(job) for job in node.jobs if job.error is not None)[:_MOST_ERRORS],
        schedules=tuple(ScheduledRun(one.what, one.interval, one.next_due) for one in node.schedules),
    )


def _shortened(job: Job) -> Job:
    """Without its result, which may name every file, and with a message that a page can bear."""
    assert job.error is not None
    error = ErrorBody(job.error.code, job.error.message[:_LONGEST_MESSAGE], job.error.hint, job.error.retryable)
    return msgspec.structs.replace(job, error=error, result=None)
