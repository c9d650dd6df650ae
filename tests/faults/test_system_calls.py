"""Every operation killed or failing at its system calls, from outside the process: the check of the seam itself.

One call of the seam may be many of the kernel (`native/transfer.c`); strace strikes each. It counts the calls of the
main thread, which does all the work here.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults.works import WORKS, Work, check_and_go_on
from tests.support.command import PROGRAM

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.stage import Stage
    from tests.file_systems import MountedFolders

pytestmark = pytest.mark.usefixtures("strace")

CALLS = (
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"),
    *("write", "pwrite64", "copy_file_range", "ftruncate", "fsync", "fdatasync", "flock"),
    *("fchmod", "fchown", "fchownat"),
)
KILL = "signal=SIGKILL"
FAULTS = (KILL, "error=EIO", "error=ENOSPC")
# After ENOSPC, 30: a half-made clone could not be removed, and is in the way of the copy; 34: there is no room for the
# name of a link, and nothing but links will do.
STATUSES = {"error=EIO": {0, 30, 21, 25}, "error=ENOSPC": {0, 30, 31, 34, 21, 25}}


def _restore(mode: str) -> Callable[[Stage], list[object]]:
    def arguments(stage: Stage) -> list[object]:
        places = ["--db-checkpoint-path", stage.repository, "--db-path", stage.database]
        return ["restore", "--no-open", *places, "--transfer-mode", mode]

    return arguments


def _create(mode: str) -> Callable[[Stage], list[object]]:
    def arguments(stage: Stage) -> list[object]:
        places = ["--db-path", stage.database, "--path", stage.repository]
        return ["checkpoint", "create", *places, "--transfer-mode", mode]

    return arguments


COMMANDS: dict[str, Callable[[Stage], list[object]]] = {
    "create-hardlink": _create("hardlink"),
    "create-reflink": _create("reflink"),
    "create-copy": _create("copy"),
    "delete": lambda stage: ["checkpoint", "delete", "--path", stage.repository, "--checkpoint-id", 1],
    "prune": lambda stage: ["checkpoint", "prune", "--path", stage.repository, "--keep", 1],
    "verify": lambda stage: ["checkpoint", "verify", "--path", stage.repository, "--tier", "closure"],
    "drill": lambda stage: ["checkpoint", "drill", "--path", stage.repository],
    "adopt": lambda stage: ["checkpoint", "adopt", "--path", stage.repository],
    "restore-hardlink": _restore("hardlink"),
    "restore-copy": _restore("copy"),
    "undo": lambda stage: ["restore", "--undo", "--db-path", stage.database],
}


def traced(work: Work, stage: Stage, log: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["strace", "-qq", "-xx", "-o", str(log), *options, str(PROGRAM), *map(str, COMMANDS[work.name](stage))]
    return subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=120, check=False)


def calls_of(work: Work, stage: Stage, log: Path) -> list[tuple[str, int]]:
    """Each call of an undisturbed run that can be struck, as strace counts them: (name, which of that name)."""
    names = (*CALLS, "ioctl")
    done = traced(work, stage, log, "-e", f"trace={','.join(names)}")
    assert done.returncode == 0, done
    counted: Counter[str] = Counter()
    found = []
    for line in log.read_text().splitlines():
        name = line.partition("(")[0]
        counted[name] += 1
        if name in CALLS or (name == "ioctl" and "CLONE" in line):
            found.append((name, counted[name]))
    return found


def strike(work: Work, stage: Stage, log: Path, fault: str, name: str, at: int) -> str:
    first, last = work.states
    done = traced(work, stage, log, "-e", f"trace={name}", "-e", f"inject={name}:{fault}:when={at}")
    effect = work.effect(stage)
    what = f"{work.name}: {fault} at {name} {at}"
    if fault == KILL:
        assert done.returncode in (-9, 137), (what, done)
    else:
        assert done.returncode in STATUSES[fault], (what, done)
        assert "Traceback" not in done.stderr, (what, done)
    if work.name.startswith(("restore", "undo")):
        assert effect in (first, last), f"{what}: neither the old nor the new database"
    if done.returncode == 0:
        assert effect == last, f"{what}: success without the effect"
    try:
        check_and_go_on(work, stage)
    except BaseException as exc:
        exc.add_note(what)
        raise
    return ("killed" if fault == KILL else f"status {done.returncode}") + (", done" if effect == last else "")


@pytest.mark.parametrize("work", [work for work in WORKS if work.name in COMMANDS], ids=lambda work: work.name)
@pytest.mark.parametrize("samples", [4, pytest.param(0, marks=[pytest.mark.long, pytest.mark.timeout(7200)])])
def test_struck_at_system_calls(
    work: Work, original: Stage, tmp_path: Path, mounted: MountedFolders, samples: int, randomness: random.Random
) -> None:
    folder = tmp_path if work.on == "plain" else mounted(work.on)
    ready = original.copy_to(folder / "ready")
    work.prepare(ready)
    stage = ready.copy_to(folder / "stage")
    first = work.effect(stage)
    calls = calls_of(work, stage, tmp_path / "calls")
    work.states[:] = [first, work.effect(stage)]
    strikes = [(fault, name, at) for fault in FAULTS for name, at in calls]
    chosen = randomness.sample(strikes, samples) if samples else strikes
    seen = Counter(strike(work, ready.copy_to(folder / "stage"), tmp_path / "calls", *each) for each in chosen)
    print(f"{work.name}: {len(chosen)} strikes in {len(calls)} calls: {dict(seen)}")
