"""The units under a real systemd: the guide's lines as printed, the sandbox, the watchdog, the weekly verification."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.deploy.booted import INSIDE
from tests.server.node import wait_for
from workload.prefix import check_in_subprocess
from workload.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deploy.booted import System

NODE, VERIFY = "walrus-node.service", "walrus-verify.service"
SEED = 20260709
_CONFIG: dict[str, Any] = {
    "storage_path": "/opt/walrus/db",
    "admin_socket_path": "/opt/walrus/admin.socket",
    "checkpoint_config": {"db_checkpoint_dir": "/opt/walrus/checkpoints"},
    "walrus_fast": {"log_format": "text", "verify_interval": 0},
}
_ADMIN = ("walrus-node", "local-admin", "--socket-path", "/opt/walrus/admin.socket")
# Blocks the event loop as a fault would: Python runs the handler in the loop's thread.
_HANGS = f"""[Service]
WatchdogSec=1
RestartSec=0
ExecStart=
ExecStart={INSIDE}/bin/python -c "import signal, sys, time; \\
from walrus_fast.cli.app import main; \\
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(60)); \\
sys.argv[0] = 'walrus-node'; main()" run --config-path /opt/walrus/node-config.yaml
"""


@pytest.fixture
def node(system: System) -> Iterator[System]:
    """The system with a writer at work and the node started, as the guide does it; both are stopped after."""
    configure(system)
    start_writer(system)
    system.run("systemctl", "restart", NODE)
    yield system
    system.run("systemctl", "stop", NODE, "writer.service")
    system.run("systemctl", "reset-failed")


def configure(system: System, **ours: Any) -> None:
    """Write the node's configuration, as the walrus user would."""
    path = system.walrus / "node-config.yaml"
    path.write_text(yaml.safe_dump({**_CONFIG, "walrus_fast": {**_CONFIG["walrus_fast"], **ours}}))


def start_writer(system: System) -> None:
    """The process that owns the database, as a service of the same user; waits until it has written something."""
    resume = ["--resume"] if (system.walrus / "db").exists() else []
    writer = [f"{INSIDE}/bin/python", "-m", "workload.writer", "--db", "/opt/walrus/db", f"--seed={SEED}", *resume]
    progress = ["--progress", "/opt/walrus/progress", "--format-version=5", "--rate=3000"]
    system.run("systemd-run", "--unit=writer", "--uid=walrus", "--gid=walrus", *writer, *progress)
    start = 0
    if not resume:
        wait_for((system.walrus / "progress").exists, "the writer", system.journal)
    start = acknowledged(system)
    wait_for(lambda: acknowledged(system) > start + 500, "writes", system.journal)


def acknowledged(system: System) -> int:
    """The last step whose write has returned to the writer."""
    progress = Progress(system.walrus / "progress")
    try:
        return progress.value
    finally:
        progress.close()


def journal(system: System, unit: str = NODE) -> list[str]:
    """What a unit has said, and systemd of it."""
    return system.journal("-u", unit).splitlines()


def test_the_user_and_the_folders_are_as_the_guide_wants_them(system: System) -> None:
    name, _, uid, _, _, home, _ = system.run("getent", "passwd", "walrus").strip().split(":")
    assert (name, home) == ("walrus", "/opt/walrus")
    for folder in ("checkpoints", "backups"):
        found = (system.walrus / folder).stat()
        assert (found.st_mode & 0o777, found.st_uid) == (0o750, int(uid))


def test_the_guide_from_start_to_restore(node: System) -> None:
    assert node.show(NODE, "ActiveState") == "active"
    assert node.run("ls", "-la", "/opt/walrus/admin.socket", user="walrus").startswith("srw-------")

    lower = acknowledged(node)
    node.run(*_ADMIN, "checkpoint", "create", "--path", "/opt/walrus/checkpoints", user="walrus")
    upper = acknowledged(node) + 1
    listed = node.run(*_ADMIN, "checkpoint", "list", "--path", "/opt/walrus/checkpoints", user="walrus")
    assert "Backup ID: 1, " in listed

    node.run("systemctl", "stop", NODE)
    stopped = node.run("systemctl", "status", NODE, status=3)
    assert "Active: inactive (dead)" in stopped
    assert "Deactivated successfully" in stopped
    node.run("systemctl", "kill", "--signal=SIGKILL", "writer.service")
    wait_for(lambda: node.show("writer.service", "ActiveState") == "failed", "the writer's end")

    node.run("cp", "-r", "/opt/walrus/db", "/opt/walrus/db.backup", user="walrus")
    where = ("--db-checkpoint-path", "/opt/walrus/checkpoints", "--db-path", "/opt/walrus/db")
    node.run("walrus-node", "restore", *where, "--checkpoint-id", "1", user="walrus")
    report = check_in_subprocess(node.walrus / "db", SEED, lower=lower, upper=upper, read_only=True)
    assert report.exact

    node.run("systemctl", "reset-failed")
    follow = node.command("journalctl", "-u", NODE, "-f", "-n", "0", "-o", "cat")
    with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        try:
            node.run("systemctl", "start", NODE)
            wait_for(lambda: "the admin socket is" in following.stdout.readline(), "the node's lines")
        finally:
            following.kill()
    start_writer(node)


def test_a_backup_links_in_the_sandbox(node: System) -> None:
    """One mount for database and repository: see the unit's comment on ReadWritePaths."""
    create = (*_ADMIN, "checkpoint", "create", "--path", "/opt/walrus/backups/linked", "--json")
    result = json.loads(node.run(*create, user="walrus"))["result"]
    assert result["bytes_linked"] > 0, result


def test_reload_changes_what_it_may_and_nothing_else(node: System) -> None:
    process = node.show(NODE, "MainPID")
    configure(node, max_bytes_per_second="5MB")
    node.run("systemctl", "reload", NODE)
    wait_for(
        lambda: json.loads(node.run(*_ADMIN, "info", "--json", user="walrus"))["max_bytes_per_second"] == 5_000_000,
        "the new limit",
    )
    (node.walrus / "node-config.yaml").write_text("storage_path: [")
    node.run("systemctl", "reload", NODE)
    wait_for(lambda: any("node-config.yaml" in line and "not" in line for line in journal(node)), "the complaint")
    assert node.show(NODE, "ActiveState") == "active"
    assert node.show(NODE, "MainPID") == process


def test_a_wrong_configuration_is_not_tried_again_and_again(node: System) -> None:
    node.run("systemctl", "stop", NODE)
    (node.walrus / "node-config.yaml").write_text("storage_path: [")
    before = node.show(NODE, "NRestarts")
    node.run("systemctl", "start", NODE, status=1)
    assert node.show(NODE, "ActiveState") == "failed"
    assert node.show(NODE, "ExecMainStatus") == "15"
    assert node.show(NODE, "NRestarts") == before
    configure(node)


def test_a_stop_cancels_the_running_job_and_leaves_nothing(node: System) -> None:
    configure(node, max_bytes_per_second="1MB")
    node.run("systemctl", "restart", NODE)
    node.run(*_ADMIN, "checkpoint", "create", "--path", "/opt/walrus/backups/slow", "--no-wait", user="walrus")
    staging = node.walrus / "backups" / "slow" / ".walrus-fast" / "staging"
    wait_for(lambda: staging.exists() and os.listdir(staging), "the job")
    node.run("systemctl", "stop", NODE)
    assert node.show(NODE, "Result") == "success"
    assert os.listdir(staging) == []
    assert not (node.walrus / "admin.socket").exists()
    assert "cancelled: the server is stopping" in "\n".join(journal(node))


def test_a_hung_event_loop_is_noticed_and_the_node_restarted(node: System) -> None:
    with drop_in(node, _HANGS):
        node.run("systemctl", "restart", NODE)
        process = node.show(NODE, "MainPID")
        node.run("systemctl", "kill", "--signal=SIGUSR1", "--kill-who=main", NODE)
        wait_for(lambda: any("Watchdog timeout" in line for line in journal(node)), "the watchdog")
        wait_for(lambda: node.show(NODE, "NRestarts") == "1", "the restart")
        wait_for(lambda: node.show(NODE, "ActiveState") == "active", "the new process")
        assert node.show(NODE, "MainPID") != process
        assert json.loads(node.run(*_ADMIN, "info", "--json", user="walrus"))["jobs_active"] == 0


@contextmanager
def drop_in(system: System, text: str) -> Iterator[None]:
    """Lines on top of the unit, for the block."""
    system.run("mkdir", "-p", f"/run/systemd/system/{NODE}.d")
    system.run("sh", "-c", 'printf %s "$1" > "$0"', f"/run/systemd/system/{NODE}.d/test.conf", text)
    system.run("systemctl", "daemon-reload")
    yield
    system.run("rm", "-r", f"/run/systemd/system/{NODE}.d")
    system.run("systemctl", "daemon-reload")


def test_the_weekly_verification_reads_every_row_and_leaves_a_proof(node: System) -> None:
    node.run(*_ADMIN, "checkpoint", "create", user="walrus")
    node.run("systemctl", "start", VERIFY)
    assert node.show(VERIFY, "Result") == "success"
    shown = node.run("walrus-node", "checkpoint", "list", "--path", "/opt/walrus/checkpoints", "--long", user="walrus")
    assert "rows" in shown

    damaged = max((node.walrus / "checkpoints" / "shared_checksum").iterdir(), key=lambda path: path.stat().st_size)
    whole = damaged.read_bytes()
    damaged.unlink()  # a name of its own: the database keeps its bytes
    damaged.write_bytes(whole[:-100] + bytes(100))
    node.run("systemctl", "start", VERIFY, status=1)
    assert node.show(VERIFY, "ActiveState") == "failed"
    assert damaged.name in "\n".join(journal(node, VERIFY))
    damaged.write_bytes(whole)

    node.run("systemctl", "start", "walrus-verify.timer")
    assert "walrus-verify.service" in node.run("systemctl", "list-timers", "--all")
    node.run("systemctl", "stop", "walrus-verify.timer")
