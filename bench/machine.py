"""Where a result was measured. Figures of two machines are never put side by side."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Machine", "SourceState", "file_system_of", "this_machine", "this_source"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Machine:
    """What makes figures comparable. `identity` is a digest, so that a results file names no host."""

    identity: str
    cpu: str
    cores: int
    memory_gib: int
    kernel: str
    python: str
    file_system: str
    scheduler: str


@dataclass(frozen=True, slots=True)
class SourceState:
    """What was measured. `changed`: src/ or native/ differ from the commit."""

    commit: str
    changed: bool


def this_machine(work: Path) -> Machine:
    """The machine, and the file system of the folder in which the databases lie."""
    cpu = _field(Path("/proc/cpuinfo"), "model name")
    memory = int(_field(Path("/proc/meminfo"), "MemTotal").split()[0])
    machine_id = Path("/etc/machine-id")
    host = machine_id.read_text() if machine_id.exists() else platform.node()
    cores = os.cpu_count() or 0
    identity = hashlib.sha256(f"{host}{cpu}{cores}{memory >> 18}{platform.release()}".encode()).hexdigest()
    return Machine(
        identity=identity[:16],
        cpu=f"{cpu} (family {_field(Path('/proc/cpuinfo'), 'cpu family')})",
        cores=cores,
        memory_gib=round(memory / (1 << 20)),
        kernel=platform.release(),
        python=platform.python_version(),
        file_system=file_system_of(work),
        scheduler=_scheduler(work),
    )


def this_source() -> SourceState:
    """The commit of the working tree."""
    return SourceState(_git("rev-parse", "HEAD"), bool(_git("status", "--porcelain", "--", "src", "native")))


def file_system_of(path: Path) -> str:
    """Type and options of the mount that holds `path`, as the kernel lists them."""
    best: tuple[str, str] = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mounted, kind, options, *_ = line.split()
        inside = path.resolve().is_relative_to(mounted)
        if inside and len(mounted) >= len(best[0]):
            best = (mounted, f"{kind} ({options})")
    return best[1]


def _scheduler(path: Path) -> str:
    device = path.stat().st_dev
    queue = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/queue/scheduler")
    return queue.read_text().strip() if queue.exists() else "none known"


def _field(path: Path, name: str) -> str:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "0"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
