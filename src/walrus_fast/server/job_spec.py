"""What a job process is told over its standard input, and what it answers on its standard output.

Frames as on the admin socket. The first is the task; then the server may send controls. The process sends steps,
and at its end one outcome. A standard input that ends without a word means that the server is gone.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from walrus_fast.methods import TransferMode
from walrus_fast.protocol.jobs import BackupSummary, ErrorBody, JobResult  # noqa: TC001  (msgspec resolves it at run time)
from walrus_fast.protocol.survey import RepositorySurvey  # noqa: TC001
from walrus_fast.rates import RateLimit  # noqa: TC001
from walrus_fast.tiers import Tier

__all__ = [
    "MAX_FRAME_BYTES",
    "Control",
    "CreateTask",
    "Damaged",
    "DeleteTask",
    "DrillTask",
    "Failed",
    "LastRun",
    "LastRunTask",
    "Listed",
    "ListTask",
    "Newest",
    "NewestTask",
    "Nothing",
    "PinTask",
    "PruneTask",
    "Rate",
    "Said",
    "Step",
    "Stop",
    "Succeeded",
    "SurveyTask",
    "Surveyed",
    "SweepScratchTask",
    "SweepTask",
    "Task",
    "VerifyTask",
]

MAX_FRAME_BYTES = 64 << 20


class CreateTask(msgspec.Struct, frozen=True, tag="create", kw_only=True):
    """Back up `database`; then keep the newest `keep` backups, unless it is 0."""

    database: str
    wal_dir: str | None
    data_dirs: tuple[str, ...]
    repository: str
    mode: TransferMode
    sync: bool
    pin_dir: str | None
    keep: int
    workers: int = 1
    rate: RateLimit = 0


class VerifyTask(msgspec.Struct, frozen=True, tag="verify", kw_only=True):
    """Prove backups `ids`, or all, up to a tier; `sample` is the share of the files that is read, "" for all.

    The owner of `database` must not wait for it.
    """

    repository: str
    ids: tuple[int, ...]
    tier: Tier = Tier.CHECKSUMS
    sample: str = ""
    scratch_dir: str | None = None
    workers: int = 1
    database: str = ""
    rate: RateLimit = 0


class DrillTask(msgspec.Struct, frozen=True, tag="drill", kw_only=True):
    """Rehearse the restore of a backup, or of the newest. The owner of `database` must not wait for it."""

    repository: str
    backup_id: int | None
    scratch_dir: str | None
    rows: bool = True
    mode: TransferMode = TransferMode.AUTO
    workers: int = 1
    database: str = ""
    rate: RateLimit = 0


class DeleteTask(msgspec.Struct, frozen=True, tag="delete"):
    """Delete a backup."""

    repository: str
    backup_id: int


class PruneTask(msgspec.Struct, frozen=True, tag="prune"):
    """Keep the newest `keep` backups."""

    repository: str
    keep: int
    dry_run: bool


class PinTask(msgspec.Struct, frozen=True, tag="pin"):
    """Pin or unpin a backup."""

    repository: str
    backup_id: int
    pinned: bool


class SweepTask(msgspec.Struct, frozen=True, tag="sweep"):
    """Remove what a job that was killed left behind."""

    repository: str
    pin_dir: str | None


class SweepScratchTask(msgspec.Struct, frozen=True, tag="sweep-scratch"):
    """Remove what a verification or a drill that was killed left behind."""

    repository: str
    scratch_dir: str | None


class ListTask(msgspec.Struct, frozen=True, tag="list"):
    """Read the catalogue."""

    repository: str


class NewestTask(msgspec.Struct, frozen=True, tag="newest"):
    """When was the newest backup made?"""

    repository: str


class LastRunTask(msgspec.Struct, frozen=True, tag="last-run"):
    """When was the last verification that proved as much; or, with no tier, the last drill?"""

    repository: str
    tier: Tier | None = None
    sample: str = ""


class SurveyTask(msgspec.Struct, frozen=True, tag="survey"):
    """Look at the whole repository, for the metrics."""

    repository: str
    database: str


Task: TypeAlias = (
    CreateTask
    | VerifyTask
    | DrillTask
    | DeleteTask
    | PruneTask
    | PinTask
    | SweepTask
    | SweepScratchTask
    | ListTask
    | NewestTask
    | LastRunTask
    | SurveyTask
)


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """End the work and clean up; `timed_out` says why."""

    timed_out: bool
    message: str


class Rate(msgspec.Struct, frozen=True, tag="rate"):
    """The limit from now on."""

    bytes_per_second: RateLimit


Control: TypeAlias = Stop | Rate


class Step(msgspec.Struct, frozen=True, tag="step"):
    """As `operations.progress.JobProgress`."""

    phase: str
    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int


class Succeeded(msgspec.Struct, frozen=True, tag="succeeded"):
    """A job's result."""

    result: JobResult


class Damaged(msgspec.Struct, frozen=True, tag="damaged"):
    """The result of a job that did its work and found damage: in `findings`, a line each."""

    result: JobResult
    error: ErrorBody
    findings: tuple[str, ...]


class Nothing(msgspec.Struct, frozen=True, tag="nothing"):
    """Done, and nothing to say."""


class Listed(msgspec.Struct, frozen=True, tag="listed"):
    """The catalogue."""

    backups: tuple[BackupSummary, ...]


class Newest(msgspec.Struct, frozen=True, tag="newest-reply"):
    """Seconds since 1970; None: there is no backup that could be restored."""

    created: float | None


class LastRun(msgspec.Struct, frozen=True, tag="last-run-reply"):
    """Seconds since 1970; None: never, as far as is known. Without backups there is nothing to prove."""

    date: float | None
    has_backups: bool


class Surveyed(msgspec.Struct, frozen=True, tag="surveyed"):
    """What was found."""

    survey: RepositorySurvey


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Why there is no result; `clean` says that nothing of the work is left anywhere."""

    error: ErrorBody
    clean: bool


Said: TypeAlias = Step | Succeeded | Damaged | Nothing | Listed | Newest | LastRun | Surveyed | Failed
