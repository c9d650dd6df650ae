"""Is there a backup that is young enough, and proven? For monitoring: reads little, takes no lock, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from walrus_fast.errors import RepositoryNotFound, WalrusFastError
from walrus_fast.repository.catalog import load_catalog
from walrus_fast.repository.layout import open_repository
from walrus_fast.repository.verification import last_proven_restorable, last_verified, load_record
from walrus_fast.tiers import Tier
from walrus_fast.wording import format_age, format_time

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.repository.catalog import Backup
    from walrus_fast.repository.verification import VerificationRecord

__all__ = ["CheckReport", "CheckRequest", "Concern", "Level", "check_repository", "unknown"]

_CLOCK_SLACK = 60.0  # seconds that a backup may be ahead of us: a repository on another machine's disk
_ANY_SHARE = 10_000  # a sample of any size counts as a verification


class Level(IntEnum):
    """What monitoring makes of it; the numbers are the exit statuses of Nagios plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What is asked of a repository; ages in seconds, None where it does not matter.

    `max_age`, `warn_age`: of the newest backup that is good, and proven up to `min_tier` where one is asked for.
    `min_count`: so many good backups. `max_verify_age`, `max_drill_age`: since the last verification of all backups
    (a sample counts) and the last restore drill that succeeded.
    """

    repository: Path
    max_age: float | None = None
    warn_age: float | None = None
    min_tier: Tier | None = None
    min_count: int = 1
    max_verify_age: float | None = None
    max_drill_age: float | None = None


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that is not as it should be."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Dates in seconds since 1970, `age` in seconds. `newest` is the backup that `age` and `tier` speak of: the newest
    that is good, and proven up to the tier that was asked for. `damaged`: what is wrong with a backup, by id.
    """

    level: Level
    summary: str
    concerns: tuple[Concern, ...]
    newest: int | None
    created: int | None
    age: float | None
    tier: Tier | None
    good: int
    damaged: dict[int, str]
    last_verified: float | None
    last_proven_restorable: float | None


@dataclass(frozen=True, slots=True)
class _Known:
    """A backup and what was ever found out about it."""

    backup: Backup
    record: VerificationRecord

    @property
    def problem(self) -> str | None:
        """What is wrong with it: by names and sizes now, or as a verification or drill has found."""
        found = self.backup.problems
        if not found and self.record.damage is not None:
            found = self.record.damage.problems
        return found[0] if found else None

    @property
    def tier(self) -> Tier | None:
        """The highest tier that stands. When every part was read in samples, that is as good as one reading."""
        reached, samples = self.record.tier, self.record.samples
        parts = {int(key.partition("/")[2]) for key in samples}
        if len(parts) == 1 and len(samples) == min(parts) and (reached is None or not reached.reaches(Tier.CHECKSUMS)):
            return Tier.CHECKSUMS
        return reached

    def is_proven(self, wanted: Tier | None) -> bool:
        """Whether it is good, and proven as far as wanted."""
        return self.problem is None and (wanted is None or (self.tier is not None and self.tier.reaches(wanted)))


def check_repository(files: Files, request: CheckRequest, *, now: float) -> CheckReport:
    """What monitoring asks for. Works while writers run: what they delete meanwhile was not there.

    A repository that is missing is critical, one that cannot be read is unknown; nothing is raised for either.
    """
    try:
        layout = open_repository(files, request.repository)
        known = [_Known(backup, load_record(files, layout, backup.backup_id)) for backup in load_catalog(files, layout)]
        verified = last_verified(files, layout, Tier.LISTED, _ANY_SHARE)
        restorable = last_proven_restorable(files, layout)
    except RepositoryNotFound as exc:
        return _without(Concern(Level.CRITICAL, exc.message))
    except WalrusFastError as exc:
        return unknown(exc.message)
    proven = [k for k in known if k.is_proven(request.min_tier)]
    newest = proven[-1] if proven else None
    age = None if newest is None else now - newest.backup.timestamp
    good = sum(k.problem is None for k in known)
    damaged = {k.backup.backup_id: problem for k in known if (problem := k.problem) is not None}
    concerns = [
        *_of_age(request, known, newest, age),
        *_of_count(request, good),
        *_of_damage(damaged, newest),
        *_of_proofs(request, verified, restorable, now),
    ]
    return CheckReport(
        level=max((concern.level for concern in concerns), default=Level.OK),
        summary=_summary(concerns, newest, age, good),
        concerns=tuple(concerns),
        newest=newest.backup.backup_id if newest else None,
        created=newest.backup.timestamp if newest else None,
        age=age,
        tier=newest.tier if newest else None,
        good=good,
        damaged=damaged,
        last_verified=verified,
        last_proven_restorable=restorable,
    )


def unknown(reason: str) -> CheckReport:
    """The report when nothing can be said about the backups."""
    return _without(Concern(Level.UNKNOWN, reason))


def _without(concern: Concern) -> CheckReport:
    return CheckReport(concern.level, concern.text, (concern,), None, None, None, None, 0, {}, None, None)


def _of_age(request: CheckRequest, known: list[_Known], newest: _Known | None, age: float | None) -> list[Concern]:
    if newest is None or age is None:
        if not known:
            return [Concern(Level.CRITICAL, f"no backup in {request.repository}")]
        wanted = f" that is proven up to {request.min_tier}" if request.min_tier else ""
        return [Concern(Level.CRITICAL, f"no good backup{wanted} in {request.repository}")]
    what = f"backup {newest.backup.backup_id}"
    if age < -_CLOCK_SLACK:
        made = format_time(newest.backup.timestamp)
        return [Concern(Level.WARNING, f"{what} was made at {made}, which is not yet: one of two clocks is wrong")]
    which = f"the newest good backup{f' proven up to {request.min_tier}' if request.min_tier else ''}"
    if request.max_age is not None and age > request.max_age:
        most = format_age(request.max_age)
        return [Concern(Level.CRITICAL, f"{which} is {format_age(age)} old, more than {most}")]
    if request.warn_age is not None and age > request.warn_age:
        return [Concern(Level.WARNING, f"{which} is {format_age(age)} old, more than {format_age(request.warn_age)}")]
    return []


def _of_count(request: CheckRequest, good: int) -> list[Concern]:
    if good >= request.min_count:
        return []
    return [Concern(Level.CRITICAL, f"fewer good backups than {request.min_count}")]


def _of_damage(damaged: dict[int, str], newest: _Known | None) -> list[Concern]:
    """Damage behind a good backup is a warning; the newest one of all damaged means that backups go wrong now."""
    if not damaged:
        return []
    bad = max(damaged)
    level = Level.WARNING if newest is not None and newest.backup.backup_id > bad else Level.CRITICAL
    more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
    return [Concern(level, f"backup {bad} is damaged{more}: {damaged[bad]}")]


def _of_proofs(request: CheckRequest, verified: float | None, restorable: float | None, now: float) -> list[Concern]:
    found = []
    for what, most, date in (
        ("verification", request.max_verify_age, verified),
        ("successful restore drill", request.max_drill_age, restorable),
    ):
        if most is None:
            continue
        if date is None:
            found.append(Concern(Level.CRITICAL, f"no {what} so far"))
        elif now - date > most:
            old = format_age(now - date)
            found.append(Concern(Level.CRITICAL, f"the last {what} was {old} ago, more than {format_age(most)}"))
    return found


def _summary(concerns: list[Concern], newest: _Known | None, age: float | None, good: int) -> str:
    """Concerns, the worst first; and what there is."""
    said = [concern.text for concern in sorted(concerns, key=lambda concern: -concern.level)]
    if newest is not None and age is not None and age >= -_CLOCK_SLACK:
        proof = f"proven up to {newest.tier}" if newest.tier else "never verified"
        said.append(f"backup {newest.backup.backup_id} is {format_age(max(0.0, age))} old, {proof}")
    said.append(f"{good} good backup{'' if good == 1 else 's'}")
    return "; ".join(said)
