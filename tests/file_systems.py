"""File systems of our own on loop devices, for tests that need one of a kind or of a size. Needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("ext4", "xfs", "btrfs")
WITH_REFLINKS = ("xfs", "btrfs")
_MAKE = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-m", "0"),
    "xfs": ("mkfs.xfs", "-q", "-f", "-m", "reflink=1"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
    "vfat": ("mkfs.vfat",),
    "exfat": ("mkfs.exfat",),
}
_SIZES = {"xfs": 320, "btrfs": 256}  # MB: these two refuse smaller ones
_DEFAULT_SIZE = 200


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (tests/packages.sh names its package)")
    return found


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _known_to_kernel(kind: str) -> bool:
    return kind in Path("/proc/filesystems").read_text(encoding="ascii").split()


@contextmanager
def file_system(folder: Path, kind: str, *, megabytes: int = 0) -> Iterator[Path]:
    """Make and mount a file system; its image lies in `folder`, its root is given. Skips where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder.mkdir(parents=True, exist_ok=True)
    image, mount_point = folder / f"{kind}.img", folder / kind
    with image.open("wb") as file:
        file.truncate((megabytes or _SIZES.get(kind, _DEFAULT_SIZE)) << 20)
    _run(_program(_MAKE[kind][0]), *_MAKE[kind][1:], str(image))
    mount_point.mkdir()
    with ExitStack() as stack:
        device = _run(_program("losetup"), "--find", "--show", str(image))
        stack.callback(subprocess.run, ["losetup", "--detach", device], check=True, timeout=60)
        if kind == "exfat" and not _known_to_kernel("exfat"):
            _run(_program("mount.exfat-fuse"), device, str(mount_point))
        else:
            _run("mount", "-t", kind, device, str(mount_point))
        stack.callback(subprocess.run, ["umount", str(mount_point)], check=True, timeout=60)
        yield mount_point


@contextmanager
def without_links(folder: Path) -> Iterator[Path]:
    """A file system that has no hard links: vfat, or exfat in user space where the kernel has no vfat."""
    kind = "vfat" if _known_to_kernel("vfat") and shutil.which("mkfs.vfat") else "exfat"
    with file_system(folder, kind) as mounted:
        yield mounted


@contextmanager
def overlay(folder: Path) -> Iterator[Path]:
    """An empty overlayfs, as a container's root is one; its layers lie in `folder`."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    layers = [folder / name for name in ("lower", "upper", "work")]
    mount_point = folder / "overlay"
    for path in (*layers, mount_point):
        path.mkdir(parents=True)
    options = ",".join(f"{path.name}dir={path}" for path in layers)
    _run("mount", "-t", "overlay", "-o", options, "overlay", str(mount_point))
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", str(mount_point)], check=True, timeout=60)


@contextmanager
def bound(source: Path, target: Path, *, read_only: bool = False) -> Iterator[Path]:
    """See `source` at `target` too: another mount, so no hard link between the two."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    target.mkdir(parents=True, exist_ok=True)
    _run("mount", "--bind", str(source), str(target))
    try:
        if read_only:
            _run("mount", "-o", "remount,bind,ro", str(target))
        yield target
    finally:
        subprocess.run(["umount", str(target)], check=True, timeout=60)


@contextmanager
def remounted_read_only(mount_point: Path) -> Iterator[None]:
    """The whole file system read-only for the time of the block."""
    _run("mount", "-o", "remount,ro", str(mount_point))
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(mount_point)], check=True, timeout=60)


def fill(folder: Path, *, leave: int) -> Path:
    """Reserve blocks until about `leave` bytes are free on the file system of `folder`."""
    whole = os.statvfs(folder)
    assert whole.f_blocks * whole.f_frsize < 2 << 30, f"{folder} is not on a test's own file system: it stays as it is"
    ballast, size = folder / "ballast", 0
    with ballast.open("wb") as file:
        for step in (16 << 20, 1 << 20, 64 << 10, 4 << 10):
            while (found := os.statvfs(folder)).f_bavail * found.f_frsize >= leave + step:
                try:
                    os.posix_fallocate(file.fileno(), size, step)
                except OSError:
                    break  # the file system wants some for itself: smaller steps find what is left
                size += step
    return ballast


def _mounted(place: Path, kind: str) -> AbstractContextManager[Path]:
    if kind == "plain":
        return nullcontext(place)
    return without_links(place) if kind == "no-links" else file_system(place, kind)


class MountedFolders:
    """Fresh folders on file systems that are mounted once; `plain` is the temporary folder's own."""

    def __init__(self, base: Path, stack: ExitStack) -> None:
        self._base = base
        self._stack = stack
        self._roots: dict[str, Path] = {}
        self._count = 0

    def __call__(self, kind: str) -> Path:
        """A fresh folder on a file system of `kind`."""
        if kind not in self._roots:
            place = self._base / kind
            place.mkdir(exist_ok=True)  # there already when an earlier test was skipped
            self._roots[kind] = self._stack.enter_context(_mounted(place, kind))
        self._count += 1
        folder = self._roots[kind] / f"folder-{self._count}"
        folder.mkdir()
        return folder
