"""Writer and sidecar in containers of their own, as the recipes have them: backup, SIGKILL of both, restore, proof.

Built and run for real, which takes minutes and an engine: `make test-long`. The default suite runs the same program
under the same conditions without one, in `test_conditions.py`.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.container.recipes import SEED, recipe
from tests.server.node import wait_for
from workload.prefix import check_in_subprocess

if TYPE_CHECKING:
    from pathlib import Path

    from tests.container.engine import Engine
    from tests.container.recipes import Recipe

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(
    ("file", "linked", "repository"),
    [("compose.yaml", False, "/backups/checkpoints"), ("compose.links.yaml", True, "/data/checkpoints")],
)
def test_killed_containers_are_restored_from(
    engine: Engine, tmp_path: Path, file: str, linked: bool, repository: str
) -> None:
    with recipe(engine, tmp_path, file) as running:
        lower = running.acknowledged
        result = running.backups.admin("checkpoint", "create")["result"]
        upper = running.acknowledged + 1
        backup = f"--checkpoint-id={result['backup_id']}"  # the schedule may have made one before, or make one
        assert (result["bytes_linked"] > 0) == linked, result
        where = ("--db-checkpoint-path", repository, "--db-path", "/data/db")
        refused = running.backups.exec("walrus-node", "restore", *where, "--json", status=12)
        assert json.loads(refused)["error"]["code"] == "database-owned"

        folder = tmp_path / repository.removeprefix("/").replace("data", running.volumes[0], 1)
        staging = folder / ".walrus-fast" / "staging"
        kill_both_in_the_middle_of_a_backup(running, staging, linked=linked)
        mounts = tuple(f"-v={tmp_path / name}:/{'data' if i == 0 else name}" for i, name in enumerate(running.volumes))
        json.loads(engine.run("restore", *where, backup, "--json", options=mounts))
        assert check_in_subprocess(tmp_path / running.volumes[0] / "db", SEED, lower=lower, upper=upper).exact

        for path in (tmp_path / running.volumes[0] / "db").iterdir():
            os.chown(path, 10001, 10001)  # the check opened it as another user
        running.compose("start")
        running.backups.wait_healthy()
        assert running.backups.admin("checkpoint", "create")["state"] == "succeeded"
        assert os.listdir(staging) == []


def kill_both_in_the_middle_of_a_backup(running: Recipe, staging: Path, *, linked: bool) -> None:
    """SIGKILL to process 1 of both containers, while the second backup is at work; links may be done by then."""
    assert os.listdir(staging) == []
    running.backups.admin("limits", "set", "--max-bytes-per-second=200KB")
    running.backups.admin("checkpoint", "create", "--no-wait")
    wait_for(lambda: linked or os.listdir(staging), "the second backup", lambda: running.backups.logs)
    running.backups.kill()
    running.database.kill()
    for container in (running.backups, running.database):
        assert container.wait() == 137
    assert linked or os.listdir(staging) != []
