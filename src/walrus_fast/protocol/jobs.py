"""Jobs, their results, backups and errors, as they cross the socket and the pipes to job processes."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

from walrus_fast.errors import WalrusFastError, error_of_code
from walrus_fast.tiers import Tier

__all__ = [
    "BackupProof",
    "BackupSummary",
    "CreateResult",
    "DamageFound",
    "DeleteResult",
    "DrillResult",
    "ErrorBody",
    "Job",
    "JobResult",
    "JobState",
    "PruneResult",
    "VerifyResult",
    "VerifyVerdict",
    "error_body",
    "received_error",
]


class JobState(StrEnum):
    """Where a job is. The last four are final; they are said only when nothing works on the job any more."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed-out"

    @property
    def is_final(self) -> bool:
        """Whether nothing will happen to the job any more."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.TIMED_OUT)


class ErrorBody(msgspec.Struct, frozen=True):
    """An error of `walrus_fast.errors`, as it crosses a pipe or the socket."""

    code: str
    message: str
    hint: str = ""
    retryable: bool = False
    exit_status: int = 1


class CreateResult(msgspec.Struct, frozen=True, tag="create-result", kw_only=True):
    """As `operations.create.CreateReport`; `pruned` are the backups that retention removed afterwards.

    `warning` says what went wrong after the backup was safe: retention, for instance.
    """

    backup_id: int
    files: int
    bytes_total: int
    files_new: int
    bytes_reused: int
    bytes_linked: int
    bytes_cloned: int
    bytes_copied: int
    bytes_read: int
    captured_sequence: int
    rounds: int
    pin_seconds: float
    seconds: float
    pruned: tuple[int, ...] = ()
    warning: str = ""


class DamageFound(msgspec.Struct, frozen=True, kw_only=True):
    """As `operations.damage.Damage`."""

    backup_id: int
    tier: Tier
    file: str
    problem: str
    expected: str = ""
    found: str = ""
    shared_with: tuple[int, ...] = ()


class VerifyVerdict(msgspec.Struct, frozen=True):
    """As `operations.tier_checks.BackupVerdict`: no problems means that it is what was stored, as far as `tier`."""

    backup_id: int
    files: int
    bytes: int
    problems: tuple[str, ...] = ()
    tier: Tier | None = None
    date: float = 0.0
    damage: tuple[DamageFound, ...] = ()
    notes: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    families_left_out: dict[str, str] | None = None
    rows: int = 0
    files_read: int = 0
    bytes_read: int = 0


class VerifyResult(msgspec.Struct, frozen=True, tag="verify-result"):
    """As `operations.verify.VerifyReport`."""

    backups: tuple[VerifyVerdict, ...]
    files_read: int
    bytes_read: int
    asked: Tier = Tier.CHECKSUMS
    part: int = 0
    parts: int = 1
    not_recorded: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


class DrillResult(msgspec.Struct, frozen=True, tag="drill-result", kw_only=True):
    """As `operations.drill.DrillReport`."""

    backup_id: int
    date: float
    problems: tuple[str, ...]
    damage: tuple[DamageFound, ...]
    families: tuple[str, ...]
    families_left_out: dict[str, str]
    rows: int
    files: int
    bytes_total: int
    bytes_linked: int
    bytes_cloned: int
    bytes_copied: int
    transfer_seconds: float
    open_seconds: float
    read_seconds: float
    restore_seconds: float
    copy_seconds: float
    not_recorded: str
    rows_read: bool = True


class DeleteResult(msgspec.Struct, frozen=True, tag="delete-result"):
    """`shared_files_kept`: another backup's meta cannot be read, so no shared file was deleted."""

    backup_id: int
    shared_files_kept: bool


class PruneResult(msgspec.Struct, frozen=True, tag="prune-result"):
    """Ids of the backups that were removed (or would be, in a dry run), are kept, and are pinned among the kept."""

    removed: tuple[int, ...]
    kept: tuple[int, ...]
    pinned: tuple[int, ...]
    dry_run: bool


JobResult: TypeAlias = CreateResult | VerifyResult | DrillResult | DeleteResult | PruneResult


class Job(msgspec.Struct, frozen=True, tag="job", kw_only=True):
    """A job. Times in seconds since 1970, bytes of file contents; `phase` is the step of a running job."""

    job_id: str
    kind: str
    repository: str
    origin: str
    state: JobState
    phase: str = ""
    created: float = 0.0
    due: float = 0.0
    started: float | None = None
    finished: float | None = None
    bytes_done: int = 0
    bytes_total: int = 0
    files_done: int = 0
    files_total: int = 0
    error: ErrorBody | None = None
    result: JobResult | None = None


class BackupProof(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a backup beyond its files' sizes. Dates in seconds since 1970, None: never.

    `tier` is the highest one that stands, proven in full at `date`. `checked` is the last verification, of `part` of
    `parts` of the shared files; `sampled` of these parts were read so far and found sound. `damaged` is when `problems`
    were found that nothing has refuted since. `drilled` is the last restore drill, `drill_problems` what that found
    (damage, or only that nothing could be opened here), `drill_seconds` what a restore took in it; `restorable` is
    when a drill last succeeded.
    """

    tier: Tier | None = None
    date: float | None = None
    checked: float | None = None
    part: int = 0
    parts: int = 1
    sampled: int = 0
    damaged: float | None = None
    problems: tuple[str, ...] = ()
    drilled: float | None = None
    drill_problems: tuple[str, ...] = ()
    drill_seconds: float = 0.0
    restorable: float | None = None

    @property
    def reached(self) -> Tier | None:
        """`tier`; or checksums, once every part of the samples was read: then every file was."""
        complete = self.parts > 1 and self.sampled >= self.parts
        if complete and (self.tier is None or not self.tier.reaches(Tier.CHECKSUMS)):
            return Tier.CHECKSUMS
        return self.tier


class BackupSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list. `created` in seconds since 1970, `size` in bytes, shared files included. `proof` is None
    when nothing was ever proven of it."""

    backup_id: int
    size: int
    files: int
    created: int
    problems: tuple[str, ...] = ()
    pinned: bool = False
    proof: BackupProof | None = None

    @property
    def is_damaged(self) -> bool:
        """Whether anything that was ever looked at is not what was stored, and was not found to be since."""
        return bool(self.problems or (self.proof and self.proof.problems))


def error_body(error: WalrusFastError) -> ErrorBody:
    """An error as it goes over the wire."""
    return ErrorBody(error.code, error.message, error.hint, error.retryable, error.exit_status)


def received_error(body: ErrorBody) -> WalrusFastError:
    """The error that came over the wire, to be raised by the caller."""
    return error_of_code(body.code, body.message, hint=body.hint, exit_status=body.exit_status)
