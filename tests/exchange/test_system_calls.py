"""A restore killed at its system calls, from outside the process: the check of the seam itself.

strace delivers SIGKILL at the n-th call that changes a file system, batches in C included.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.exchange.scene import copy_scene, state_of
from walrus_fast.files import Files
from walrus_fast.operations.restore.restore import restore_backup

if TYPE_CHECKING:
    from tests.exchange.scene import Scene

CALLS = (
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"),
    *(
        "write",
        "pwrite64",
        "copy_file_range",
        "ftruncate",
        "fsync",
        "fdatasync",
        "fchmodat",
        "chmod",
        "chown",
        "fchownat",
    ),
)


def killed_at(scene: Scene, call: str, at: int) -> bool:
    """Run the command line under strace; whether SIGKILL at the n-th `call` ended it."""
    walrus_node = Path(sys.executable).with_name("walrus-node")
    restore = [
        walrus_node,
        "restore",
        "--no-open",
        "--db-checkpoint-path",
        scene.repository,
        "--db-path",
        scene.database,
    ]
    inject = [f"--trace={call}", f"--inject={call}:signal=SIGKILL:when={at}"]
    strace = ["strace", "-qq", "-o", str(scene.folder / "trace"), *inject]
    done = subprocess.run([*strace, *map(str, restore), "--json"], capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL), done
    return done.returncode != 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (tests/packages.sh installs it)")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stride", [17, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_every_system_call_that_changes_something(original: Scene, tmp_path: Path, stride: int) -> None:
    seen = {"old": 0, "new": 0}
    for call in CALLS:
        at = 1
        while True:
            scene = copy_scene(original, tmp_path / "scene")
            killed = killed_at(scene, call, at)
            state = state_of(scene.database)
            assert state in (scene.old, scene.new), f"killed at {call} {at}: neither the old nor the new database"
            seen["old" if state == scene.old else "new"] += killed
            restore_backup(Files(), scene.request(open_first=False))
            assert state_of(scene.database) == scene.new
            assert list(scene.folder.glob(".*restore*")) == []
            shutil.rmtree(scene.folder)
            if not killed:
                break
            at += stride
    print(f"killed at every {stride}th of each of {len(CALLS)} calls; the database afterwards: {seen}")
    assert min(seen.values()) >= 1
