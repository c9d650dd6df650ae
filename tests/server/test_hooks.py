"""Hooks hear how each job ended, and whatever they do, the job stays what it was."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.node import final, processes_of, running_node, wait_for, write_config
from tests.support.command import run

if TYPE_CHECKING:
    from tests.server.node import Node

# Writes down what it is told, its environment and arguments, as one line.
TELL = """
import json, os, sys
told = json.loads(sys.stdin.readline())
said = {"told": told, "environment": dict(os.environ), "arguments": sys.argv[2:], "folder": os.getcwd()}
with open(sys.argv[1], "a") as file:
    file.write(json.dumps(said) + "\\n")
print("heard of", told["job"]["kind"])
"""


def hook(folder: Path, text: str, *arguments: str) -> list[str]:
    """A hook that runs Python."""
    script = folder / f"hook-{len(list(folder.glob('hook-*')))}.py"
    script.write_text(text)
    return [sys.executable, "-I", str(script), *arguments]


def heard(path: Path, count: int) -> list[dict[str, Any]]:
    """What the hooks wrote, once there is so much."""
    wait_for(lambda: path.exists() and path.read_text().count("\n") >= count, f"line {count} of the hook")
    return [json.loads(line) for line in path.read_text().splitlines()]


def logged(node: Node, text: str) -> dict[str, Any]:
    """The line of the log that has a text, once it is there."""
    wait_for(lambda: [line for line in node.lines if text in line["message"]], f"{text!r} in the log", lambda: node.log)
    return next(line for line in node.lines if text in line["message"])


def test_both_kinds_of_end_are_told(database: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    config = write_config(
        tmp_path,
        on_success=[hook(tmp_path, TELL, str(good), "$HOME; rm", "two words")],
        on_failure=[hook(tmp_path, TELL, str(bad))],
    )
    with running_node(config, environment={"SECRET_OF_THE_UNIT": "1"}) as node, node.client() as client:
        job = final(client, client.create())
        (said,) = heard(good, 1)
        told = said["told"]
        assert (told["schema"], told["event"], told["database"]) == (1, "success", str(database))
        assert told["job"]["job_id"] == job.job_id
        assert told["job"]["result"]["backup_id"] == 1
        assert told["job"]["state"] == "succeeded"
        assert said["arguments"] == ["$HOME; rm", "two words"], "no shell has read them"
        assert set(said["environment"]) - {"LC_CTYPE"} == {"PATH", "LANG"}
        assert said["folder"] == "/"
        assert logged(node, "heard of create")["job"] == job.job_id
        for ended in (final(client, client.verify()), final(client, client.drill())):
            assert ended.state == "succeeded"
        assert [line["told"]["job"]["kind"] for line in heard(good, 3)] == ["create", "verify", "drill"]
        assert final(client, client.delete(9)).state == "failed"
        (failure,) = heard(bad, 1)
        assert failure["told"]["event"] == "failure"
        assert failure["told"]["job"]["error"]["code"] == "backup-not-found"
    shown = run("config", "show", "--config-path", config).stdout
    assert "'$HOME; rm' 'two words'" in shown


@pytest.mark.usefixtures("database")
def test_a_cancelled_job_calls_none_and_a_stop_waits_for_hooks(tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = write_config(
        tmp_path, on_success=[hook(tmp_path, TELL, str(out))], on_failure=[hook(tmp_path, TELL, str(out))]
    )
    with running_node(config) as node, node.client() as client:
        job = client.create(delay_secs=600)
        cancelled = client.cancel(job.job_id)
        assert cancelled is not None
        assert cancelled.state == "cancelled"
        assert final(client, client.create()).state == "succeeded"
        assert node.stop() == 0
        (said,) = heard(out, 1)
        assert said["told"]["job"]["kind"] == "create"
        assert said["told"]["job"]["state"] == "succeeded"


@pytest.mark.usefixtures("database")
def test_hooks_that_misbehave_change_nothing(tmp_path: Path) -> None:
    last = tmp_path / "last"
    hooks = [
        ["/nowhere/at/all"],
        hook(tmp_path, "import sys; sys.exit(7)"),
        hook(tmp_path, "import os; os.kill(os.getpid(), 9)"),
        hook(tmp_path, "print(('x' * 99 + '\\n') * 100_000)"),
        hook(tmp_path, "print('without reading')"),
        hook(tmp_path, TELL, str(last)),
    ]
    with running_node(write_config(tmp_path, on_success=hooks)) as node, node.client() as client:
        assert final(client, client.create()).state == "succeeded"
        heard(last, 1)
        logged(node, "/nowhere/at/all cannot be run: No such file")
        logged(node, "ended with status 7")
        logged(node, "was killed by signal 9")
        logged(node, "without reading")
        logged(node, "... (and more)")
        assert sum("xxx" in line["message"] for line in node.lines) == 50
        (job,) = client.status()
        assert job.state == "succeeded"
        assert job.error is None


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("end", ["time.sleep(600)", "sys.exit(0)"])
def test_a_hook_that_hangs_is_killed_with_all_that_it_began(tmp_path: Path, end: str) -> None:
    pids, last = tmp_path / "pids", tmp_path / "last"
    hangs = """
import os, sys, subprocess, time
child = subprocess.Popen(["sleep", "600"])
with open(sys.argv[1], "w") as file:
    file.write(f"{os.getpid()} {child.pid}\\n")
"""
    hooks = [hook(tmp_path, hangs + end, str(pids)), hook(tmp_path, TELL, str(last))]
    with running_node(write_config(tmp_path, on_success=hooks, hook_timeout="2s")) as node, node.client() as client:
        job = client.create()
        assert final(client, job).state == "succeeded"
        wait_for(lambda: pids.exists() and pids.read_text(), "the hook")
        # The job is over for everybody while its hook runs, and the next one begins.
        assert final(client, client.verify()).state == "succeeded"
        logged(node, "it has not ended within 2 s")
        heard(last, 1)
        began = [int(pid) for pid in pids.read_text().split()]
        wait_for(lambda: not set(began) & set(processes_of(node.process.pid)), "the end of the hook")
        wait_for(
            lambda: not any(os.path.exists(f"/proc/{pid}") and _lives(pid) for pid in began), "the end of its child"
        )


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("tell-me", "on_success"),
        (["/bin/true"], "on_success"),
        ([["true"]], "absolute path"),
        ([[]], "absolute path"),
        ([["/bin/echo", "a\0b"]], "zero byte"),
    ],
)
def test_what_is_no_command_is_refused(tmp_path: Path, value: object, words: str) -> None:
    outcome = run("config", "check", "--config-path", write_config(tmp_path, on_success=value))
    assert outcome.status == 15
    assert words in outcome.stderr
