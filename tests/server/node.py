"""Starts the real node on a configuration of the test's, and asks it things."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.command import Outcome, run
from walrus_fast.client.blocking import AdminClient
from walrus_fast.errors import ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walrus_fast.protocol.jobs import Job

PROJECT = Path(__file__).resolve().parent.parent.parent
TIMEOUT = 30.0


def write_config(folder: Path, *, checkpoint: dict[str, Any] | None = None, **ours: Any) -> Path:
    """A configuration in `folder`, for the database `folder/db`; `ours` are keys of `walrus_fast`. Nothing is verified
    unless asked for: a test sees the jobs that it began."""
    document = {
        "name": "node-1",
        "storage_path": str(folder / "db"),
        "admin_socket_path": str(folder / "admin.socket"),
        "checkpoint_config": {"db_checkpoint_dir": str(folder / "checkpoints"), **(checkpoint or {})},
        "walrus_fast": {"log_format": "json", "verify_interval": 0, **ours},
    }
    path = folder / "node-config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


class Node:
    """A running node."""

    def __init__(self, config: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        document = yaml.safe_load(config.read_text())
        self.folder = config.parent
        self.config = config
        self.socket = Path(document["admin_socket_path"])
        self.log_path = self.folder / "node.log"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.server.strict", "run", "--config-path", str(config), *options],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **(environment or {})},
            )

    def wait_ready(self) -> None:
        """Until the socket answers."""
        wait_for(self._answers, f"the node of {self.config}", lambda: self.log)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            with AdminClient(self.socket, timeout=5) as client:
                client.ping()
        except ServerUnreachable:
            return False
        return True

    @property
    def log(self) -> str:
        """All that was logged, by every run on this folder."""
        return self.log_path.read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log, line by line."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def client(self) -> AdminClient:
        """A new connection."""
        return AdminClient(self.socket, timeout=TIMEOUT)

    def admin(self, *arguments: object) -> Outcome:
        """`walrus-node local-admin ...`."""
        return run("local-admin", "--socket-path", self.socket, *arguments)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it, and wait; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT)

    def assert_no_fault(self) -> None:
        """No traceback, no blocking call, no job that failed by a fault of ours."""
        faults = [line for line in self.log.splitlines() if "Traceback" in line or "BlockingError" in line]
        assert not faults, faults[0].replace("\\n", "\n")

    def staging(self, repository: Path | None = None) -> list[str]:
        """What lies in the staging folder."""
        folder = (repository or self.folder / "checkpoints") / ".walrus-fast" / "staging"
        return sorted(os.listdir(folder)) if folder.exists() else []


@contextmanager
def running_node(config: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[Node]:
    """A node for the block; afterwards it is stopped, and must have had no fault."""
    node = Node(config, *options, environment=environment)
    try:
        node.wait_ready()
        yield node
        if node.process.poll() is None:
            assert node.stop() == 0, node.log
        node.assert_no_fault()
        assert not node.socket.exists()
    finally:
        if node.process.poll() is None:
            node.process.kill()
        node.process.wait()


def wait_for(condition: Any, what: str, details: Any = lambda: "") -> None:
    """Until `condition()`; looks every 5 ms, in a `select` that nothing wakes, for what gives no event."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come: {details()}"
        select.select([], [], [], 0.005)


def final(client: AdminClient, job: Job) -> Job:
    """The job in its final state."""
    *_, last = client.watch(job.job_id)
    assert last.state.is_final
    return last


def speak(path: Path, *lines: str) -> list[dict[str, Any]]:
    """Lines of JSON, and the answer to each."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(TIMEOUT)
        peer.connect(str(path))
        peer.sendall("".join(line + "\n" for line in lines).encode())
        with peer.makefile("rb") as answers:
            return [json.loads(answers.readline()) for _ in lines]


def processes_of(pid: int) -> list[int]:
    """Every process below `pid`."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found
