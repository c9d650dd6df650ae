"""The metrics of a real node: what they say after real jobs, after a restart, and that docs/metrics.md knows each."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.monitoring.scenes import HOUR, healthy, past, shown_node
from tests.server.node import final, processes_of, running_node, wait_for, write_config
from tests.server.test_proofs import flip
from tests.verify.backups import file_of_kind
from walrus_fast.files import Files
from walrus_fast.monitoring.disks import DiskReading, DiskWatch, Places, fills_in
from walrus_fast.operations.restore.drill import DrillRequest, drill_backup
from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

    from tests.monitoring.scenes import Shown

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "metrics.md"


def scraped(shown: Shown) -> dict[tuple[str, ...], float]:
    """Every sample: (name, label values in the order of their names) -> value."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families(shown)
        for sample in family.samples
    }


def families(shown: Shown) -> Iterable[Metric]:
    """Parsed by Prometheus's own parser."""
    return text_string_to_metric_families(shown.get("metrics").text)


def surveyed_after(shown: Shown, date: float) -> None:
    """Wait for a look at the repository that began after something."""
    wait_for(lambda: shown.json()["surveyed"] > date, "the survey")


def test_what_jobs_did_is_counted(database: Path, tmp_path: Path) -> None:
    with shown_node(tmp_path) as shown, shown.node.client() as client:
        before = scraped(shown)
        assert before["walrus_fast_jobs_total", "create", "succeeded"] == 0
        assert before["walrus_fast_newest_backup_timestamp_seconds",] == 0
        assert before["walrus_fast_last_verification_timestamp_seconds", "checksums"] == 0
        jobs = [final(client, client.create()) for _ in range(2)]
        verified = final(client, client.verify(tier=Tier.ROWS))
        drilled = final(client, client.drill())
        surveyed_after(shown, drilled.finished or 0)
        after = scraped(shown)
    assert after["walrus_fast_jobs_total", "create", "succeeded"] == 2
    assert after["walrus_fast_job_duration_seconds_count", "create"] == 2
    for kind, phase in (("create", "transferring"), ("create", "committing"), ("verify", "proving")):
        assert after["walrus_fast_job_phase_duration_seconds_count", kind, phase] >= 1, (kind, phase)
    assert after["walrus_fast_snapshot_rounds_count",] == after["walrus_fast_snapshot_pin_seconds_count",] == 2
    for how in ("reused", "linked", "cloned", "copied"):
        total = sum(getattr(job.result, f"bytes_{how}") for job in jobs)
        assert after["walrus_fast_backup_bytes_total", how] == total
    assert after["walrus_fast_job_read_bytes_total", "verify"] == getattr(verified.result, "bytes_read", None)
    assert after["walrus_fast_backups", "good"] == 2
    assert abs(after["walrus_fast_newest_backup_timestamp_seconds",] - (jobs[1].finished or 0)) < 5
    assert after["walrus_fast_newest_proven_backup_timestamp_seconds", "rows"] > 0
    assert after["walrus_fast_last_verification_timestamp_seconds", "rows"] > 0
    assert after["walrus_fast_last_successful_drill_timestamp_seconds",] == getattr(drilled.result, "date", None)
    assert after["walrus_fast_repository_size_bytes",] > 1_000_000
    assert after["walrus_fast_disk_free_bytes", "repository"] > 0
    assert after["walrus_fast_event_loop_lag_seconds_count",] > 0
    assert not any(name.endswith("_created") for name, *_ in after)


def test_ages_and_damage_survive_a_restart_and_counters_begin_anew(database: Path, tmp_path: Path) -> None:
    repository = tmp_path / "checkpoints"
    past(database, repository, [2 * HOUR, HOUR])
    drill_backup(Files(), DrillRequest(repository, 1), now=lambda: 1_700_000_000.0)
    flip(repository / file_of_kind(repository, 2, "manifest"))
    with shown_node(tmp_path) as shown, shown.node.client() as client:
        assert final(client, client.verify()).state == "failed"
        wait_for(lambda: scraped(shown)["walrus_fast_backups", "damaged"] == 1, "the damage")
        first = scraped(shown)
        assert first["walrus_fast_jobs_total", "verify", "backup-damaged"] == 1
        assert first["walrus_fast_job_failures_in_a_row", "verify"] == 1
    with shown_node(tmp_path) as shown:
        again = scraped(shown)
    kept = ("backups", "newest_backup_timestamp_seconds", "last_verification_timestamp_seconds")
    for key, value in first.items():
        if key[0].removeprefix("walrus_fast_") in (*kept, "last_successful_drill_timestamp_seconds"):
            assert again[key] == value, key
    assert again["walrus_fast_last_successful_drill_timestamp_seconds",] == 1_700_000_000.0
    assert again["walrus_fast_jobs_total", "verify", "succeeded"] == 0
    assert ("walrus_fast_jobs_total", "verify", "backup-damaged") not in again


def test_failures_count_by_their_code_and_only_our_own_in_a_row(database: Path, tmp_path: Path) -> None:
    with shown_node(tmp_path) as shown, shown.node.client() as client:
        (tmp_path / "file").write_text("")
        assert final(client, client.create(str(tmp_path / "file" / "below"))).state == "failed"
        database.rename(tmp_path / "away")
        for _ in range(2):
            assert final(client, client.create()).state == "failed"
        found = scraped(shown)
        assert found["walrus_fast_jobs_total", "create", "repository-unusable"] == 1
        assert found["walrus_fast_jobs_total", "create", "database-not-found"] == 2
        assert found["walrus_fast_job_failures_in_a_row", "create"] == 2
        (tmp_path / "away").rename(database)
        assert final(client, client.create()).state == "succeeded"
        assert scraped(shown)["walrus_fast_job_failures_in_a_row", "create"] == 0


@pytest.mark.parametrize("what", ["meta", "."])
def test_a_repository_that_cannot_be_read_or_is_gone_says_so_and_keeps_its_last_figures(
    database: Path, tmp_path: Path, what: str
) -> None:
    repository = tmp_path / "checkpoints"
    past(database, repository, [HOUR])
    with shown_node(tmp_path) as shown, shown.node.client() as client:
        assert scraped(shown)["walrus_fast_repository_readable",] == 1
        (repository / what).resolve().rename(tmp_path / "away")
        if what == "meta":
            (repository / "meta").write_text("no folder")
        final(client, client.verify())
        wait_for(lambda: scraped(shown)["walrus_fast_repository_readable",] == 0, "the failed look")
        assert scraped(shown)["walrus_fast_backups", "good"] == 1
        assert shown.json()["level"] == "bad"


def test_docs_know_every_metric_and_no_other(database: Path, tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    with healthy(tmp_path / "node", database) as shown:
        with shown.node.client() as client:
            final(client, client.drill())
        assert documented() == {line_of(family) for family in families(shown) if family.samples}


def documented() -> set[str]:
    """The lines of the document's table."""
    return {line for line in DOCUMENT.read_text().splitlines() if line.startswith(("| `walrus_fast_", "| `process_"))}


def line_of(family: Metric) -> str:
    """As the document has it. The parser cuts a counter's name."""
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
    return (
        f"| `{name}` | {family.type} | {', '.join(f'`{label}`' for label in sorted(labels))} | {family.documentation} |"
    )


def test_without_an_address_nothing_is_read_and_nothing_listens(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path)) as node:
        assert processes_of(node.process.pid) == []
        names = {path.read_text().strip() for path in Path(f"/proc/{node.process.pid}/task").glob("*/comm")}
        assert "disks" not in names
        assert "status page" not in node.log


def test_a_reload_moves_the_repository_at_once_and_the_address_at_the_next_start(
    database: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    past(database, other, [2 * HOUR, HOUR])
    with shown_node(tmp_path) as shown:
        assert scraped(shown)["walrus_fast_backups", "good"] == 0
        write_config(tmp_path, checkpoint={"db_checkpoint_dir": str(other)}, metrics_address="127.0.0.1:1")
        shown.node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: scraped(shown)["walrus_fast_backups", "good"] == 2, "the other repository")
        said = "walrus_fast.metrics_address is 127.0.0.1:1, was 127.0.0.1:0 (from the next start on)"
        wait_for(lambda: said in shown.node.log, "the line")


def test_a_change_by_somebody_else_is_seen(database: Path, tmp_path: Path) -> None:
    repository, readings = tmp_path / "checkpoints", list[DiskReading]()
    heard = threading.Event()

    def on_reading(reading: DiskReading) -> None:
        readings.append(reading)
        heard.set()

    def next_reading() -> DiskReading:
        heard.clear()
        assert heard.wait(20)
        return readings[-1]

    places = Places({"repository": repository}, (repository / "meta",))
    watch = DiskWatch(Files(), lambda: places, on_reading, every=0.01)
    watch.start()
    try:
        first = next_reading()
        shown, there = first.disks["repository"], Files().file_system_space(tmp_path)
        assert shown.size == there.size
        assert 0 < shown.free <= there.size  # others write on that disk as well
        past(database, repository, [HOUR])
        wait_for(lambda: next_reading().changes != first.changes, "the first backup")
        second = readings[-1]
        past(database, repository, [HOUR])
        wait_for(lambda: next_reading().changes != second.changes, "the second backup")
    finally:
        watch.stop()


def test_when_a_disk_is_full() -> None:
    falling = [(300.0 * n, 10_000 - 10 * n) for n in range(100)]
    assert fills_in(falling) == (10_000 - 990) * 30
    assert fills_in(falling[:10]) is None, "less than an hour"
    assert fills_in([(at, 5000) for at, _ in falling]) is None
    assert fills_in([(at, 10_000 - free) for at, free in falling]) is None
    assert fills_in([]) is None


def test_a_scrape_reads_no_repository(database: Path, tmp_path: Path) -> None:
    """A hundred scrapes while the repository is away: the figures stand."""
    past(database, tmp_path / "checkpoints", [HOUR])
    with shown_node(tmp_path) as shown:
        shutil.move(tmp_path / "checkpoints", tmp_path / "away")
        started = time.process_time()
        found = [scraped(shown) for _ in range(100)]
        print(f"100 scrapes and their parsing: {time.process_time() - started:.2f} s of CPU here")
        assert {one["walrus_fast_backups", "good"] for one in found} == {1.0}
        shutil.move(tmp_path / "away", tmp_path / "checkpoints")
