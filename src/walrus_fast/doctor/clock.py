"""The clock: schedules and retention go by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.doctor.finding import ok, warn
from walrus_fast.repository.catalog import load_catalog
from walrus_fast.wording import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walrus_fast.doctor.finding import Finding
    from walrus_fast.doctor.subject import Subject

__all__ = ["check_clock"]

_SLACK = 60.0  # seconds


def check_clock(subject: Subject) -> Iterator[Finding]:
    """Files and backups that are younger than now."""
    latest, what = 0.0, ""
    if subject.has_repository:
        for backup in load_catalog(subject.files, subject.layout):
            if backup.timestamp > latest:
                latest, what = float(backup.timestamp), f"backup {backup.backup_id}"
    if subject.has_database and subject.database is not None:
        written = subject.files.stat(subject.database / "CURRENT").mtime_ns / 1e9
        if written > latest:
            latest, what = written, "the database's CURRENT"
    if not what:
        return
    if latest > subject.now + _SLACK:
        yield warn(
            "clock",
            f"{what} is of {format_time(latest)}, and it is {format_time(subject.now)} here: a clock is or was wrong",
            "Set the clock (timedatectl). Until then, or until that time has come, the schedule takes the newest "
            "backup for fresh; `checkpoint create` makes one at once.",
        )
    else:
        yield ok("clock", f"it is {format_time(subject.now)}, later than anything that was written")
