"""Real nodes on real repositories with a past: nothing yet, all well, and trouble."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.server.node import Node, running_node, wait_for, write_config
from tests.server.test_proofs import flip
from tests.verify.backups import file_of_kind
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.operations.keeping.prune import pin_backup
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.operations.restore.drill import DrillRequest, drill_backup
from walrus_fast.snapshot.model import SnapshotRequest
from walrus_fast.tiers import Sample, Tier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR, DAY = 3600.0, 86400.0


@dataclass
class Answer:
    """What a path answered."""

    status: int
    headers: dict[str, str]
    text: str


class Shown:
    """A node whose metrics are served."""

    def __init__(self, node: Node) -> None:
        self.node = node
        marker = "metrics and the status page are at "
        wait_for(lambda: marker in node.log, "the address in the log", lambda: node.log)
        (self.url,) = {line["message"].removeprefix(marker) for line in node.lines if marker in line["message"]}
        wait_for(lambda: self.json()["surveyed"] is not None, "the first survey", lambda: node.log)

    def get(self, path: str = "") -> Answer:
        """Ask, and expect 200."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode())

    def json(self) -> Any:
        """The status document."""
        return json.loads(self.get("status.json").text)

    @property
    def port(self) -> int:
        """Of the address."""
        return int(self.url.rstrip("/").rpartition(":")[2])


@contextmanager
def shown_node(folder: Path, *, checkpoint: dict[str, Any] | None = None, **ours: Any) -> Iterator[Shown]:
    """A node on `folder/db` and `folder/checkpoints` that serves its metrics."""
    (folder / "node.log").unlink(missing_ok=True)  # of a run before, with another address in it
    config = write_config(folder, checkpoint=checkpoint, **{"metrics_address": "127.0.0.1:0", **ours})
    with running_node(config) as node:
        yield Shown(node)


def past(database: Path, repository: Path, ages: list[float]) -> None:
    """Backups of these ages, in seconds, oldest first."""
    now = time.time()
    for age in ages:
        request = CreateRequest(SnapshotRequest(database), repository, mode=TransferMode.COPY, sync=False)
        create_backup(Files(), request, now=lambda age=age: now - age)  # type: ignore[misc]


def proofs(repository: Path) -> None:
    """All verified to different depths, one pinned, one drilled; the last is as new as nothing was proven of it yet."""
    now = time.time()
    verify_backups(Files(), repository, tier=Tier.ROWS, ids=(1, 2, 4), now=lambda: now - 3 * DAY)
    verify_backups(Files(), repository, tier=Tier.OPENED, ids=(5,), now=lambda: now - 2 * DAY)
    verify_backups(Files(), repository, tier=Tier.CHECKSUMS, ids=(3, 6, 7), now=lambda: now - 11 * HOUR)
    drill_backup(Files(), DrillRequest(repository, 6), now=lambda: now - 20 * HOUR)
    verify_backups(Files(), repository, sample=Sample.parse("1/7"), now=lambda: now - 5 * HOUR)
    pin_backup(Files(), repository, 1, pinned=True)


SCHEDULE = {"periodic_db_checkpoints": True, "db_checkpoint_interval": "12h", "max_db_checkpoints": 0}
PROVING = {"verify_interval": "1d", "drill_interval": "7d"}


@contextmanager
def empty(folder: Path, database: Path) -> Iterator[Shown]:
    """A node that was just set up."""
    shutil.copytree(database, folder / "db")
    with shown_node(folder) as shown:
        yield shown


@contextmanager
def healthy(folder: Path, database: Path) -> Iterator[Shown]:
    """A week of backups, the newest made by the node a moment ago."""
    shutil.copytree(database, folder / "db")
    past(folder / "db", folder / "checkpoints", [156 * HOUR - number * 24 * HOUR for number in range(7)])
    proofs(folder / "checkpoints")
    past(folder / "db", folder / "checkpoints", [3 * HOUR])
    with shown_node(folder, checkpoint=SCHEDULE, **PROVING) as shown:
        wait_for(lambda: all(one["due"] for one in shown.json()["schedules"]), "the schedule")
        yield shown


@contextmanager
def troubled(folder: Path, database: Path) -> Iterator[Shown]:
    """A damaged backup, one that failed, one that is being made, one that waits."""
    shutil.copytree(database, folder / "db")
    past(folder / "db", folder / "checkpoints", [156 * HOUR - number * 24 * HOUR for number in range(6)])
    repository = folder / "checkpoints"
    now = time.time()
    verify_backups(Files(), repository, tier=Tier.ROWS, now=lambda: now - 30 * HOUR)
    flip(repository / file_of_kind(repository, 5, "manifest"))
    verify_backups(Files(), repository, sample=Sample.parse("1/7"), now=lambda: now - 9 * HOUR)
    (folder / "db").rename(folder / "away")
    slow = {"max_bytes_per_second": "1MB", "transfer_mode": "copy", "schedule_jitter": 0}
    with shown_node(folder, checkpoint=SCHEDULE, **slow) as shown:
        with shown.node.client() as client:
            # The newest one is too old, so the schedule has begun with a backup: of a database that is not there.
            wait_for(lambda: shown.json()["errors"], "the failure", client.status)
            (folder / "away").rename(folder / "db")
            client.create(str(folder / "second"))
            wait_for(lambda: any(job.bytes_done for job in client.status()), "the transfer", client.status)
            client.verify()
            wait_for(lambda: any(one["rate"] for one in shown.json()["running"]), "the rate")
        yield shown
