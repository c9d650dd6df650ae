"""The node as a service: stop, drain, systemd, logs, own mode, disks that fill up, databases that vanish."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.file_systems import file_system, fill
from tests.server.node import PROJECT, final, processes_of, running_node, wait_for, write_config
from tests.support.command import run, succeed
from walrus_fast.errors import ConfigInvalid
from walrus_fast.server.logs import parse_directives

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.node import Node


def test_sigterm_cancels_the_running_job_and_leaves_nothing(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, max_bytes_per_second="1MB")) as node, node.client() as client:
        job = client.create()
        wait_for(lambda: client.status(job.job_id)[0].bytes_done > 0, "the transfer")
        below = processes_of(node.process.pid)
        assert node.stop() == 0
        assert not any(os.path.exists(f"/proc/{pid}") for pid in below)
        assert node.staging() == []
        assert any(line["message"] == "cancelled: the server is stopping" for line in node.lines)


def test_drain_finishes_the_running_job_first(database: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, max_bytes_per_second="10MB")
    with running_node(config, "--drain") as node, node.client() as client:
        job = client.create()
        wait_for(lambda: client.status(job.job_id)[0].phase == "transferring", "the transfer")
        assert node.stop() == 0
        assert any(line["message"] == "succeeded" for line in node.lines)
    assert len(succeed("checkpoint", "list", "--path", tmp_path / "checkpoints")["backups"]) == 1


def test_a_killed_server_takes_its_jobs_with_it(database: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, max_bytes_per_second="1MB")
    with running_node(config) as node, node.client() as client:
        job = client.create()
        wait_for(lambda: client.status(job.job_id)[0].bytes_done > 0, "the transfer")
        below = processes_of(node.process.pid)
        node.process.kill()
        node.process.wait()
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in below), "their end")
        assert node.staging() == []
        with running_node(write_config(tmp_path)) as again, again.client() as other:
            assert final(other, other.create()).state == "succeeded"


def test_systemd_is_told(database: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}

        def heard(word: bytes) -> None:
            while word not in systemd.recv(4096):
                pass

        with running_node(write_config(tmp_path), environment=environment) as node:
            heard(b"READY=1")
            heard(b"WATCHDOG=1")
            heard(b"WATCHDOG=1")
            node.process.send_signal(signal.SIGHUP)
            heard(b"RELOADING=1\nMONOTONIC_USEC=")
            heard(b"READY=1")
            node.process.send_signal(signal.SIGTERM)
            heard(b"STOPPING=1")
            assert node.process.wait(30) == 0


def test_logs_are_json_lines_where_nobody_looks_and_text_where_asked(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path)) as node:
        wait_for(lambda: node.lines, "the first line")
        assert {"time", "level", "target", "message"} <= set(node.lines[0])
    config = write_config(tmp_path, log_format="text")
    with running_node(config) as node, node.client() as client:
        job = final(client, client.create())
        wait_for(lambda: f"info  server.runner [{job.job_id}]: succeeded" in node.log, "the line")


def test_log_levels_are_in_force_at_once(node: Node) -> None:
    with node.client() as client:
        client.set_log_level("error")
        final(client, client.create())
        client.set_log_level("off,walrus_fast.server.runner=info")
        last = final(client, client.create())
        wait_for(lambda: node.lines[-1]["message"] == "succeeded", "the line")
        assert {line["job"] for line in node.lines if "job" in line} == {last.job_id}
        with pytest.raises(ConfigInvalid, match="'loud' is no log directive"):
            client.set_log_level("loud")
        assert client.info().log_level == "off,walrus_fast.server.runner=info"


@pytest.mark.parametrize("text", ["", "loud", "a=b", "=info", "info,,debug", "a b=info"])
def test_what_is_no_log_directive(text: str) -> None:
    with pytest.raises(ConfigInvalid):
        parse_directives(text)


def test_a_disk_that_fills_up_fails_the_job_and_the_next_one_succeeds(
    database: Path, tmp_path: Path, root: None
) -> None:
    # A file system of its own: filling the one that the tests are on would fail everything else on the machine.
    with file_system(tmp_path / "small", "ext4", megabytes=64) as small:
        assert small.stat().st_dev != tmp_path.stat().st_dev
        ballast = fill(small, leave=1_000_000)
        with running_node(write_config(tmp_path)) as node, node.client() as client:
            failed = final(client, client.create(str(small / "repo")))
            assert failed.state == "failed"
            assert failed.error is not None
            assert failed.error.code == "disk-full"
            assert node.staging(small / "repo") == []
            ballast.unlink()
            assert final(client, client.create(str(small / "repo"))).state == "succeeded"


def test_a_database_that_vanishes_is_an_error_and_comes_back(node: Node, database: Path, tmp_path: Path) -> None:
    with node.client() as client:
        database.rename(tmp_path / "away")
        failed = final(client, client.create())
        assert failed.error is not None
        assert failed.error.code == "database-not-found"
        (tmp_path / "away").rename(database)
        assert final(client, client.create()).state == "succeeded"


def test_own_mode_holds_the_database_and_flushes_it_before_a_backup(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, mode="own")) as node, node.client() as client:
        assert client.info().mode == "own"
        refused = run("restore", "--db-checkpoint-path", tmp_path / "checkpoints", "--db-path", database, "--json")
        assert refused.status != 0
        for _ in range(2):
            assert final(client, client.create()).state == "succeeded"
        private = tmp_path / "checkpoints" / "private" / "2"
        assert sum(log.stat().st_size for log in private.glob("*.log")) == 0
        (owner,) = processes_of(node.process.pid)
        os.kill(owner, signal.SIGKILL)
        wait_for(lambda: processes_of(node.process.pid) == [], "its end")
        after = final(client, client.create())
        assert after.state == "succeeded", after.error
    verdicts = succeed("checkpoint", "verify", "--path", tmp_path / "checkpoints")["backups"]
    assert all(not verdict["problems"] for verdict in verdicts)


def test_own_mode_does_not_start_on_a_database_that_another_owns(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, mode="own")):
        folder = tmp_path / "second"
        folder.mkdir()
        config = write_config(folder, mode="own")
        config.write_text(config.read_text().replace(str(folder / "db"), str(database)))
        assert run("run", "--config-path", config).status == 12


def test_help_loads_nothing_that_takes_long() -> None:
    """How long it takes is measured by `make bench`."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, json, walrus_fast.cli.app; print(json.dumps(list(sys.modules)))"],
        capture_output=True,
        check=True,
    )
    heavy = {"uvloop", "rocksdict", "pebble", "asyncio", "yaml", "walrus_fast.server.app"}
    assert not heavy & set(json.loads(loaded.stdout))


def test_a_blocking_call_on_the_loop_would_be_noticed() -> None:
    script = (
        "import asyncio, pathlib, uvloop\n"
        "from blockbuster import BlockBuster\n"
        "BlockBuster().activate()\n"
        "async def block(): pathlib.Path('/tmp').stat()\n"
        "uvloop.run(block())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, cwd=PROJECT)
    assert b"BlockingError" in done.stderr
