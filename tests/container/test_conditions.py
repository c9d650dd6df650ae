"""The conditions of a hardened container, without one: process 1, no network, no capability, nothing writable but the
volumes. It takes seconds, so it is in the default suite; the image itself is tested by `make test-long`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.server.node import TIMEOUT, final, wait_for, write_config
from walrus_fast.client.blocking import AdminClient
from walrus_fast.errors import ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFINE = """
set -eu
mount --make-rprivate /
mount --bind "$0" "$0"
for point in / /tmp /var/tmp /run /dev/shm; do
    if mountpoint -q $point; then mount -o remount,bind,ro $point; fi
done
mount -t proc proc /proc
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"
"""


@contextmanager
def confined(volume: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`walrus-node` as process 1, where only `volume` can be written to. Gives its parent, which ends as it does."""
    unshare = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "sh", "-c", _CONFINE]
    program = [sys.executable, "-m", "tests.server.strict", *arguments]
    with (volume / "node.log").open("wb") as log:
        process = subprocess.Popen([*unshare, str(volume), *program], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()  # and with it the other
        process.wait()


def test_backup_proof_and_stop(database: Path, tmp_path: Path, root: None) -> None:
    config, log = write_config(tmp_path), tmp_path / "node.log"
    with confined(tmp_path, "run", "--config-path", str(config)) as process:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                with AdminClient(tmp_path / "admin.socket", timeout=5) as client:
                    client.ping()
            except ServerUnreachable:
                return False
            return True

        wait_for(answers, "the node", log.read_text)
        with AdminClient(tmp_path / "admin.socket", timeout=TIMEOUT) as client:
            assert client.info().pid == 1
            assert final(client, client.create()).state == "succeeded"
            drill = final(client, client.drill())
            assert drill.state == "succeeded", drill.error
        (node,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(node), signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
