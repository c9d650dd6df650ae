"""The limit that gives way to I/O pressure, through the node and the commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.server.node import final, running_node, wait_for, write_config
from tests.support.command import run

AUTO = ("--max-bytes-per-second", "auto")


@pytest.fixture
def without_pressure(root: None) -> list[str]:
    """What to put before a command so that its kernel seems to have no pressure information."""
    if not Path("/proc/pressure/io").exists():
        return []
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare is not installed")
    hide = 'mount --bind /dev/null /proc/pressure/io && exec "$@"'
    return [unshare, "--mount", "sh", "-c", hide, "sh"]


def test_auto_is_a_limit_like_others(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, max_bytes_per_second="auto")) as node, node.client() as client:
        assert client.info().max_bytes_per_second == "auto"
        assert "Limit:         auto\n" in node.admin("info").stdout
        assert final(client, client.create()).state == "succeeded"
        client.set_limits(max_bytes_per_second=100_000)
        job = client.verify()
        wait_for(lambda: client.status(job.job_id)[0].phase == "verifying", "the verification")
        told = node.admin("limits", "set", *AUTO)
        assert told.stdout == "As fast as the I/O pressure allows from now on.\n"
        assert final(client, job).state == "succeeded"
        assert client.info().max_bytes_per_second == "auto"
        assert node.admin("limits", "set", "--max-bytes-per-second", "soon").status == 2


@pytest.mark.parametrize("command", ["create", "verify", "adopt", "drill"])
def test_every_command_takes_auto(database: Path, tmp_path: Path, command: str) -> None:
    for one in ("create", command):
        source = ("--db-path", database) if one == "create" else ()
        outcome = run("checkpoint", one, *source, "--path", tmp_path / "repo", *AUTO, "--json")
        assert outcome.status == 0, outcome


def test_without_pressure_information_a_backup_is_made_and_a_warning_said_once(
    database: Path, tmp_path: Path, without_pressure: list[str]
) -> None:
    words = ("checkpoint", "create", "--db-path", database, "--path", tmp_path / "repo", *AUTO, "--json")
    outcome = run(*words, prefix=without_pressure)
    assert outcome.status == 0, outcome
    assert outcome.document["backup_id"] == 1
    assert outcome.stderr.count("so `auto` is no limit") == 1


def test_a_kernel_with_pressure_information_is_no_reason_for_a_warning(database: Path, tmp_path: Path) -> None:
    if not Path("/proc/pressure/io").exists():
        pytest.skip("this kernel has no pressure information")
    outcome = run("checkpoint", "create", "--db-path", database, "--path", tmp_path / "repo", *AUTO, "--json")
    assert outcome.stderr == ""
