"""`systemctl` and `journalctl` of the sandbox: `python -m tests.docs.services systemctl start walrus-node.service`.

The service is the owner of the database, and our node where there is a configuration.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.databases import SEED
from walrus_fast.client.blocking import AdminClient
from walrus_fast.config.load import load_config
from walrus_fast.errors import WalrusFastError

HOME = Path(os.environ.get("SANDBOX", "/nonexistent"))
STATE = HOME / ".services"
CONFIG = HOME / "node-config.yaml"
TIMEOUT = 60.0


def start() -> int:
    """Begin what does not run yet."""
    STATE.mkdir(exist_ok=True)
    if not running("owner"):
        log = (STATE / "owner.log").open("wb")
        writer = [sys.executable, "-m", "workload.writer", "--db", str(HOME / "db"), "--seed", str(SEED)]
        begin("owner", [*writer, "--resume", "--rate", "200", "--format-version", "5"], log.fileno())
        wait_for(lambda: b"READY" in (STATE / "owner.log").read_bytes(), "the owner of the database")
    if CONFIG.exists() and not running("node"):
        with (STATE / "node.log").open("ab") as log_of_node:
            begin("node", [str(Path(sys.executable).parent / "walrus-node"), "run", "--config-path", str(CONFIG)],
                  log_of_node.fileno())  # fmt: skip
        wait_for(answers, "the node")
    return 0


def begin(name: str, command: list[str], output: int) -> None:
    """A process that outlives us."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    (STATE / f"{name}.pid").write_text(str(process.pid))


def answers() -> bool:
    """Whether the node's socket does."""
    path = load_config(CONFIG).values.admin_socket_path
    if path is None:
        return running("node")
    try:
        with AdminClient(path, timeout=5) as client:
            client.ping()
    except WalrusFastError:
        assert running("node"), (STATE / "node.log").read_text()
        return False
    return True


def stop() -> int:
    """End both, and wait until they have."""
    for name in ("node", "owner"):
        if running(name):
            os.kill(int((STATE / f"{name}.pid").read_text()), signal.SIGTERM)
            wait_for(lambda name=name: not running(name), f"the end of the {name}")
    return 0


def running(name: str) -> bool:
    """Whether the process is there and no zombie."""
    try:
        pid = (STATE / f"{name}.pid").read_text()
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: object, what: str) -> None:
    """Look every 10 ms."""
    assert callable(condition)
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        select.select([], [], [], 0.01)


def status() -> int:
    """As systemd says it, in a word."""
    active = running("owner")
    print(f"     Active: {'active (running)' if active else 'inactive (dead)'}")
    return 0 if active else 3


def reload() -> int:
    """SIGHUP to the node."""
    os.kill(int((STATE / "node.pid").read_text()), signal.SIGHUP)
    return 0


def main(program: str, *arguments: str) -> int:
    """What the stand-ins do."""
    if program == "journalctl":
        log = STATE / "node.log"
        print("\n".join(log.read_text().splitlines()[-3:]) if log.exists() else "-- No entries --")
        return 0
    verb = next(argument for argument in arguments if not argument.startswith("-"))
    if verb == "restart":
        stop()
    return {"start": start, "restart": start, "enable": start, "stop": stop, "status": status, "reload": reload}[verb]()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
