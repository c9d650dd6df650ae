"""What a look at a whole repository finds, as it crosses the pipe from the process that looks."""

from __future__ import annotations

import msgspec

from walrus_fast.protocol.jobs import BackupSummary  # noqa: TC001  (msgspec resolves it at run time)
from walrus_fast.tiers import Tier  # noqa: TC001

__all__ = ["RepositorySurvey", "SpaceFigures"]


class SpaceFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes, as `operations.space.SpaceReport`: no byte counts twice. `unique` is what the repository alone keeps."""

    total: int
    unique: int
    pinned: int
    unreferenced: int


class RepositorySurvey(msgspec.Struct, frozen=True, kw_only=True):
    """A repository at `date`; dates in seconds since 1970, None: never.

    `verified` has, for each tier, when every backup was last verified that far, whatever share of the files was read
    and whatever was found. `drilled` is the last drill, whatever it found, `restorable` the last that succeeded.
    `there` says whether there is a repository, be it one without backups.
    """

    date: float
    there: bool = True
    backups: tuple[BackupSummary, ...]
    space: SpaceFigures
    verified: dict[Tier, float]
    drilled: float | None
    restorable: float | None
