"""Which file system, and which disks, are behind a path: from `/proc/self/mountinfo` and `/sys/dev/block`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mount", "disks_behind", "mount_of"]

_OCTAL = re.compile(r"\\([0-7]{3})")
_SYS_BLOCK = Path("/sys/dev/block")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo: where, of what kind, from which source."""

    point: Path
    kind: str
    source: str


def mount_of(path: Path) -> Mount:
    """The mount that holds an existing path: the longest mount point above it, the last of those that cover it."""
    resolved = path.resolve()
    best = Mount(Path("/"), "", "")
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        point = Path(_plain(left.split(" ")[4]))
        kind, source = right.split(" ")[:2]
        if resolved.is_relative_to(point) and len(point.parts) >= len(best.point.parts):
            best = Mount(point, kind, _plain(source))
    return best


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def disks_behind(path: Path, *, sys_block: Path = _SYS_BLOCK) -> frozenset[str]:
    """The disks that hold a path, by kernel name; partitions, RAID and LVM are followed down. Empty where the kernel
    does not tell: network, memory, overlays."""
    number = os.stat(path).st_dev
    source = mount_of(path).source
    if os.major(number) == 0 and source.startswith("/dev/"):
        number = os.stat(source).st_rdev  # btrfs gives its subvolumes numbers of their own
    return _disks(sys_block / f"{os.major(number)}:{os.minor(number)}")


def _disks(block: Path) -> frozenset[str]:
    if not block.exists():
        return frozenset()
    device = block.resolve()
    if (device / "partition").exists():
        return frozenset({device.parent.name})
    below = sorted((device / "slaves").glob("*"))
    return frozenset().union(*map(_disks, below)) if below else frozenset({device.name})
