"""What adds up while the node runs: counters and histograms, in a registry of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

__all__ = ["PREFIX", "Counters"]

PREFIX = "walrus_fast"
_KINDS = ("create", "verify", "drill", "delete", "prune")
_LONG = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
_PIN = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30)
_LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_ROUNDS = (1, 2, 3, 4, 6, 10, 20)


class Counters:
    """One set for one node."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.jobs = Counter(
            f"{PREFIX}_jobs_total",
            "Jobs that ended, by kind and result: succeeded, or the code of the error.",
            ["kind", "result"],
            registry=registry,
        )
        self.job_seconds = Histogram(
            f"{PREFIX}_job_duration_seconds",
            "How long jobs worked, waiting for their turn left out.",
            ["kind"],
            buckets=_LONG,
            registry=registry,
        )
        self.phase_seconds = Histogram(
            f"{PREFIX}_job_phase_duration_seconds",
            "How long each phase of a job took.",
            ["kind", "phase"],
            buckets=_LONG,
            registry=registry,
        )
        self.pin_seconds = Histogram(
            f"{PREFIX}_snapshot_pin_seconds",
            "How long it took to pin a snapshot of the live database.",
            buckets=_PIN,
            registry=registry,
        )
        self.rounds = Histogram(
            f"{PREFIX}_snapshot_rounds",
            "Rounds that a snapshot needed until the file set stood still; 1 is the rule.",
            buckets=_ROUNDS,
            registry=registry,
        )
        self.backup_bytes = Counter(
            f"{PREFIX}_backup_bytes_total",
            "Bytes of backups, by how they came into the repository: reused (there already, not read), linked, cloned, "
            "copied. Only copied ones were written.",
            ["how"],
            registry=registry,
        )
        self.read_bytes = Counter(
            f"{PREFIX}_job_read_bytes_total",
            "Bytes that jobs read, by kind of job.",
            ["kind"],
            registry=registry,
        )
        self.lag_seconds = Histogram(
            f"{PREFIX}_event_loop_lag_seconds",
            "How much later than asked the node's event loop turned to a timer, twice a second.",
            buckets=_LAG,
            registry=registry,
        )
        ProcessCollector(registry=registry)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """A counter that appears with its first event is not seen to rise by it."""
        for kind in _KINDS:
            self.jobs.labels(kind, "succeeded")
            self.job_seconds.labels(kind)
        for how in ("reused", "linked", "cloned", "copied"):
            self.backup_bytes.labels(how)
        for kind in ("create", "verify", "drill"):
            self.read_bytes.labels(kind)

    def collect(self) -> Iterable[Metric]:
        """As the exposition wants it, without the `_created` series that the client adds to each."""
        for family in self.registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
