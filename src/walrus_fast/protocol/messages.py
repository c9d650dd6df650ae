"""Commands and answers."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from walrus_fast.methods import TransferMode
from walrus_fast.protocol.jobs import BackupSummary, ErrorBody, Job
from walrus_fast.rates import RateLimit  # noqa: TC001  (msgspec resolves it at run time)
from walrus_fast.tiers import Tier

__all__ = [
    "MAX_DELAY_SECONDS",
    "Answer",
    "Cancel",
    "CheckpointList",
    "Command",
    "Create",
    "Delete",
    "Done",
    "Drill",
    "Event",
    "Failure",
    "GetInfo",
    "GetStatus",
    "Info",
    "JobCancelled",
    "Limits",
    "List",
    "LogLevel",
    "Message",
    "Pin",
    "Ping",
    "Pinned",
    "Pong",
    "Prune",
    "Request",
    "SetLimits",
    "SetLogLevel",
    "Status",
    "VERSION",
    "Verify",
    "Watch",
]

VERSION = 1
MAX_DELAY_SECONDS = 366 * 86400.0  # no timer takes any number


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Answered by Pong, at once."""


class GetInfo(msgspec.Struct, frozen=True, tag="info"):
    """Answered by Info."""


class Create(msgspec.Struct, frozen=True, tag="create"):
    """Answered by the Job as soon as it is accepted. No path: the configured folder."""

    path: str | None = None
    delay_secs: Annotated[float, msgspec.Meta(le=MAX_DELAY_SECONDS)] = 0.0


class List(msgspec.Struct, frozen=True, tag="list"):
    """Answered by CheckpointList."""

    path: str | None = None


class GetStatus(msgspec.Struct, frozen=True, tag="status"):
    """Answered by Status: one job, or those of this run of the server, newest first."""

    job_id: str | None = None


class Watch(msgspec.Struct, frozen=True, tag="watch"):
    """Answered by an Event for every change (the newest state; a slow reader misses those between), then by the
    Job in its final state. No id: the job that is active, or the newest."""

    job_id: str | None = None


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Answered by JobCancelled, when the job is in a final state. No id: the active job, if any."""

    job_id: str | None = None


class Verify(msgspec.Struct, frozen=True, tag="verify"):
    """Answered by the Job. No ids: every backup. `sample` is a share of the files, `10%` or `1/7`; None: all.
    `scratch_dir` as for Drill."""

    path: str | None = None
    ids: tuple[int, ...] = ()
    tier: Tier = Tier.CHECKSUMS
    sample: str | None = None
    scratch_dir: str | None = None


class Drill(msgspec.Struct, frozen=True, tag="drill"):
    """Answered by the Job. No id: the newest backup; no `scratch_dir`: drill_scratch_dir, or else the repository.
    Without `rows` it is only opened."""

    path: str | None = None
    backup_id: int | None = None
    scratch_dir: str | None = None
    rows: bool = True
    mode: TransferMode = TransferMode.AUTO


class Delete(msgspec.Struct, frozen=True, tag="delete"):
    """Answered by the Job."""

    backup_id: int
    path: str | None = None


class Prune(msgspec.Struct, frozen=True, tag="prune"):
    """Answered by the Job. No `keep`: max_db_checkpoints."""

    path: str | None = None
    keep: int | None = None
    dry_run: bool = False


class Pin(msgspec.Struct, frozen=True, tag="pin"):
    """Answered by Pinned. A pinned backup is not removed by anything until it is unpinned."""

    backup_id: int
    path: str | None = None
    pinned: bool = True


class SetLogLevel(msgspec.Struct, frozen=True, tag="log-level"):
    """Answered by LogLevel. `info`, or directives such as `info,walrus_fast.server=debug`."""

    level: str


class SetLimits(msgspec.Struct, frozen=True, tag="limits"):
    """Answered by Limits; None leaves a limit as it is. In force at once, for running jobs too."""

    max_bytes_per_second: RateLimit | None = None


Command: TypeAlias = (
    Ping
    | GetInfo
    | Create
    | List
    | GetStatus
    | Watch
    | Cancel
    | Verify
    | Drill
    | Delete
    | Prune
    | Pin
    | SetLogLevel
    | SetLimits
)


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """The answer to Ping."""


class Info(msgspec.Struct, frozen=True, tag="info-reply", kw_only=True):
    """The server as it is now. Times in seconds since 1970, memory in bytes."""

    version: str
    protocol: int
    pid: int
    started: float
    mode: str
    database: str
    checkpoint_dir: str | None
    workers: int
    workers_busy: int
    max_bytes_per_second: RateLimit
    connections: int
    jobs_active: int
    next_backup: float | None
    log_level: str
    memory: int
    next_verification: float | None = None
    next_drill: float | None = None


class CheckpointList(msgspec.Struct, frozen=True, tag="checkpoint-list"):
    """The backups of a repository, oldest first."""

    repository: str
    backups: tuple[BackupSummary, ...]


class Status(msgspec.Struct, frozen=True, tag="status-reply"):
    """Jobs, newest first."""

    jobs: tuple[Job, ...]


class JobCancelled(msgspec.Struct, frozen=True, tag="cancel-reply"):
    """The job in its final state, which is not `cancelled` when it ended before; None: there was none to cancel."""

    job: Job | None


class Pinned(msgspec.Struct, frozen=True, tag="pin-reply"):
    """Whether the backup is pinned now."""

    backup_id: int
    pinned: bool


class LogLevel(msgspec.Struct, frozen=True, tag="log-level-reply"):
    """The directives in force."""

    level: str


class Limits(msgspec.Struct, frozen=True, tag="limits-reply"):
    """The limits in force; 0 is none, `auto` what the I/O pressure leaves. Bytes read and written together, over all
    jobs. `warning` says why a limit has no effect here.
    """

    max_bytes_per_second: RateLimit
    warning: str = ""


Answer: TypeAlias = Pong | Info | Job | CheckpointList | Status | JobCancelled | Pinned | LogLevel | Limits


class Request(msgspec.Struct, frozen=True, tag="request"):
    """What a client sends. `id` is the client's choice and comes back with every answer to it."""

    id: int
    command: Command
    version: int = VERSION


class Event(msgspec.Struct, frozen=True, tag="event"):
    """A step on the way to the answer."""

    id: int
    job: Job


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The answer."""

    id: int
    answer: Answer


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """No answer. `id` 0 when the request could not be read; the connection ends then."""

    id: int
    error: ErrorBody


Message: TypeAlias = Event | Done | Failure
