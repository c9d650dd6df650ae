"""What is so at the moment: gauges, made from a view when they are asked for."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from walrus_fast.monitoring.counters import PREFIX
from walrus_fast.protocol.jobs import JobState
from walrus_fast.rates import AUTO
from walrus_fast.tiers import Tier
from walrus_fast.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from walrus_fast.monitoring.disks import DiskReading
    from walrus_fast.monitoring.state import NodeState, View
    from walrus_fast.protocol.jobs import BackupSummary
    from walrus_fast.protocol.survey import RepositorySurvey

__all__ = ["gauges_of"]

_ACTIVE = (JobState.SCHEDULED, JobState.QUEUED, JobState.RUNNING, JobState.STOPPING)
_KINDS = ("create", "verify", "drill", "delete", "prune")


def gauges_of(view: View) -> Iterator[GaugeMetricFamily]:
    """The gauges of a view. Of dates, 0 is never; what was not read yet is left out."""
    yield from _node(view.node)
    yield _by(
        "job_failures_in_a_row",
        "Jobs on the node's own repository that failed since the last success, by kind.",
        "kind",
        _failures(view),
    )
    if view.node.repository is None:
        return
    if view.survey is not None or view.survey_error is not None:
        yield _one("repository_readable", "Whether the last look at the repository succeeded.", not view.survey_error)
    if view.survey is not None:
        yield _one("repository_survey_duration_seconds", "How long that look took.", view.survey_seconds)
        yield from _repository(view.survey)
    if view.disks is not None:
        yield from _disks(view.disks)


def _node(node: NodeState) -> Iterator[GaugeMetricFamily]:
    yield _info("build_info", "The program.", {"version": VERSION, "python": platform.python_version()})
    where = {"mode": node.mode, "database": node.database, "repository": node.repository or ""}
    yield _info("node_info", "What the node is set up for.", where)
    limit = -1 if node.limit == AUTO else node.limit
    yield _one("admin_connections", "Connections to the admin socket.", node.connections)
    yield _one("workers", "Transfer workers at most, over all jobs.", node.workers)
    yield _one("workers_busy", "Transfer workers that jobs hold.", node.workers_busy)
    yield _one("bytes_per_second_limit", "Limit over all jobs; 0: none, -1: auto.", limit)
    states = {state.value: sum(job.state is state for job in node.jobs) for state in _ACTIVE}
    yield _by("jobs_active", "Jobs that are not done, by state; queued is the queue's length.", "state", states)
    intervals = {schedule.what: schedule.interval for schedule in node.schedules}
    yield _by("schedule_interval_seconds", "Time between two scheduled runs; 0: not scheduled.", "what", intervals)
    due = {schedule.what: schedule.next_due or 0.0 for schedule in node.schedules}
    yield _by("schedule_next_timestamp_seconds", "When the next scheduled run is due; 0: none.", "what", due)


def _failures(view: View) -> dict[str, float]:
    return {kind: float(view.failures.get(kind, 0)) for kind in _KINDS}


def _repository(survey: RepositorySurvey) -> Iterator[GaugeMetricFamily]:
    good = [backup for backup in survey.backups if not backup.is_damaged]
    newest = max(good, key=lambda backup: (backup.created, backup.backup_id), default=None)
    states = {"good": len(good), "damaged": len(survey.backups) - len(good)}
    yield _one("repository_survey_timestamp_seconds", "When the repository was last looked at.", survey.date)
    yield _by("backups", "Backups in the repository, by state.", "state", states)
    yield _one("backups_pinned", "Backups that are kept until unpinned.", sum(b.pinned for b in survey.backups))
    yield _one(
        "newest_backup_timestamp_seconds",
        "When the newest good backup was made; 0: none.",
        newest.created if newest else 0,
    )
    yield _one("newest_backup_size_bytes", "Size of the newest good backup.", newest.size if newest else 0)
    proven = {tier.value: float(_newest_proven(good, tier)) for tier in Tier}
    yield _by(
        "newest_proven_backup_timestamp_seconds",
        "When the newest good backup was made that is proven in full up to a tier; 0: none.",
        "tier",
        proven,
    )
    verified = {tier.value: survey.verified.get(tier, 0.0) for tier in Tier}
    yield _by(
        "last_verification_timestamp_seconds",
        "When all backups were last verified up to a tier, whatever share was read and whatever was found; 0: never.",
        "tier",
        verified,
    )
    drills = [backup.proof for backup in survey.backups if backup.proof and backup.proof.drilled]
    drill = max(drills, key=lambda proof: proof.drilled or 0.0, default=None)
    yield _one("last_drill_timestamp_seconds", "When the last restore drill ended; 0: never.", survey.drilled or 0.0)
    yield _one(
        "last_successful_drill_timestamp_seconds", "When a drill last succeeded; 0: never.", survey.restorable or 0.0
    )
    yield _one(
        "last_drill_restore_seconds", "How long the last drill's restore took.", drill.drill_seconds if drill else 0
    )
    space = survey.space
    yield _one("repository_size_bytes", "All files of all backups; no byte counts twice.", space.total)
    yield _one("repository_unique_bytes", "Of these, what only the repository keeps.", space.unique)
    yield _one("repository_pinned_bytes", "Of these, what hard links keep that the database has deleted.", space.pinned)
    yield _one(
        "repository_unreferenced_bytes", "Files that no backup needs; the next writer removes them.", space.unreferenced
    )


def _newest_proven(good: Iterable[BackupSummary], tier: Tier) -> int:
    reached = [(backup.created, backup.proof.reached) for backup in good if backup.proof]
    return max((created for created, found in reached if found and found.reaches(tier)), default=0)


def _disks(reading: DiskReading) -> Iterator[GaugeMetricFamily]:
    free = {name: float(space.free) for name, space in reading.disks.items()}
    size = {name: float(space.size) for name, space in reading.disks.items()}
    yield _by("disk_free_bytes", "Bytes that may still be written, by what lies on the disk.", "disk", free)
    yield _by("disk_size_bytes", "Size of the file system, by what lies on the disk.", "disk", size)
    yield _one("disk_reading_timestamp_seconds", "When the disks were last asked.", reading.date)


def _one(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=float(value))


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _info(name: str, text: str, labels: Mapping[str, str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family
