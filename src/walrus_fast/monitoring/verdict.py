"""One word for how things stand, and the reasons for it, the worst first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from walrus_fast.protocol.jobs import JobState
from walrus_fast.wording import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walrus_fast.monitoring.state import View
    from walrus_fast.protocol.survey import RepositorySurvey

__all__ = ["Finding", "Level", "findings_of", "in_words"]

_DAY = 86400.0
_TOO_OLD = 3 * _DAY  # without a schedule
_LATE_FACTOR = 2.0  # of the scheduled interval
_SOON_FULL = 3 * _DAY
_LITTLE_FREE = 0.05
_NOUNS = {"create": "backup", "verify": "verification", "drill": "restore drill", "prune": "clean-up"}


class Level(StrEnum):
    """GOOD: nothing to do. NOTE: worth knowing. WARNING: look at it. BAD: act."""

    GOOD = "good"
    NOTE = "note"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason, as a sentence."""

    level: Level
    text: str


def in_words(seconds: float) -> str:
    """An age or a span in one unit: `40 s`, `12 min`, `3 h`, `5 days`."""
    for unit, size in (("day", _DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= (size if unit != "day" else 2 * size):
            count = int(seconds / size)
            return f"{count} {unit}{'s' if unit == 'day' and count != 1 else ''}"
    return f"{max(0, int(seconds))} s"


def findings_of(view: View) -> list[Finding]:
    """The worst first; none means that all is well."""
    found = list(_of_repository(view)) + list(_of_jobs(view)) + list(_of_disks(view))
    order = list(Level)
    return sorted(found, key=lambda finding: -order.index(finding.level))


def _of_repository(view: View) -> Iterator[Finding]:
    if view.node.repository is None:
        yield Finding(Level.NOTE, "No folder for backups is configured (checkpoint_config.db_checkpoint_dir).")
        return
    if view.survey_error is not None:
        yield Finding(Level.BAD, f"The repository cannot be read: {view.survey_error.message}.")
    if view.survey is None:
        return
    damaged = [backup.backup_id for backup in view.survey.backups if backup.is_damaged]
    if damaged:
        which = f"Backup {damaged[0]} is" if len(damaged) == 1 else f"Backups {_list(damaged)} are"
        yield Finding(Level.BAD, f"{which} damaged.")
    good = [backup.created for backup in view.survey.backups if not backup.is_damaged]
    if not good:
        yield Finding(Level.WARNING, "There is no good backup." if view.survey.backups else "There is no backup yet.")
        return
    age, interval = view.node.now - max(good), view.node.interval("backup")
    if age > (_LATE_FACTOR * interval if interval else _TOO_OLD):
        wanted = f", and one is due every {in_words(interval)}" if interval else ""
        yield Finding(
            Level.BAD if interval else Level.WARNING, f"The newest good backup is {in_words(age)} old{wanted}."
        )
    yield from _of_proofs(view, view.survey)


def _of_proofs(view: View, survey: RepositorySurvey) -> Iterator[Finding]:
    last = max(survey.verified.values(), default=None)
    interval = view.node.interval("verification")
    if last is None:
        if not any(backup.proof for backup in survey.backups):
            yield Finding(Level.NOTE, "Nothing was ever verified.")
    elif interval and view.node.now - last > _LATE_FACTOR * interval:
        ago, wanted = in_words(view.node.now - last), in_words(interval)
        yield Finding(Level.WARNING, f"The last verification was {ago} ago, and one is due every {wanted}.")
    failed = [backup for backup in survey.backups if backup.proof and backup.proof.drill_problems]
    if failed and (survey.restorable or 0) < (survey.drilled or 0):
        yield Finding(Level.WARNING, f"The last restore drill of backup {failed[-1].backup_id} failed.")


def _of_jobs(view: View) -> Iterator[Finding]:
    for kind, count in sorted(view.failures.items()):
        ended = (job for job in view.node.jobs if job.kind == kind and job.repository == view.node.repository)
        last = next((job for job in ended if job.state in (JobState.FAILED, JobState.TIMED_OUT)), None)
        if count and last is not None and last.error is not None and last.error.code != "backup-damaged":
            level = Level.BAD if kind == "create" else Level.WARNING
            times = "" if count == 1 else f", {count} times in a row"
            yield Finding(level, f"The last {_NOUNS.get(kind, kind)} failed{times}: {last.error.message}.")


def _of_disks(view: View) -> Iterator[Finding]:
    space = view.disks.disks.get("repository") if view.disks else None
    if space is None:
        return
    if space.free < _LITTLE_FREE * space.size:
        yield Finding(Level.BAD, f"Only {format_bytes(space.free)} are free on the repository's disk.")
    elif view.fills_in is not None and view.fills_in < _SOON_FULL:
        yield Finding(Level.WARNING, f"The repository's disk is full in {in_words(view.fills_in)} if it goes on so.")


def _list(ids: list[int]) -> str:
    shown = ", ".join(map(str, ids[:5]))
    return f"{shown} and {len(ids) - 5} more" if len(ids) > 5 else shown
