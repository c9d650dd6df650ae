"""The readable twin of native/transfer.c."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from functools import partial

FICLONE = 0x40049409

Pair = Callable[[int, str, int, str], None]
Single = Callable[[int, str], None]


def errno_of(action: Callable[[], None]) -> int:
    try:
        action()
    except OSError as exc:
        return exc.errno or -1
    return 0


def pairs(function: Pair, src_dir: int, sources: list[str], dst_dir: int, targets: list[str]) -> list[int]:
    return [
        errno_of(partial(function, src_dir, source, dst_dir, target))
        for source, target in zip(sources, targets, strict=True)
    ]


def singles(function: Single, dirfd: int, names: list[str]) -> list[int]:
    return [errno_of(partial(function, dirfd, name)) for name in names]


def stat_file(dirfd: int, name: str) -> tuple[int, int, int, int, int, int]:
    try:
        found = os.stat(name, dir_fd=dirfd, follow_symlinks=False)
    except OSError as exc:
        return (exc.errno or -1, 0, 0, 0, 0, 0)
    if not stat.S_ISREG(found.st_mode):
        return (errno.EINVAL, 0, 0, 0, 0, 0)
    return (0, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_nlink)


def link(src_dir: int, source: str, dst_dir: int, target: str) -> None:
    os.link(source, target, src_dir_fd=src_dir, dst_dir_fd=dst_dir, follow_symlinks=False)


def rename(src_dir: int, source: str, dst_dir: int, target: str) -> None:
    os.lstat(f"/proc/self/fd/{src_dir}/{source}")
    if os.path.lexists(f"/proc/self/fd/{dst_dir}/{target}"):
        raise FileExistsError(errno.EEXIST, "exists")
    os.rename(source, target, src_dir_fd=src_dir, dst_dir_fd=dst_dir)


def unlink(dirfd: int, name: str) -> None:
    os.unlink(name, dir_fd=dirfd)


def sync(dirfd: int, name: str) -> None:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=dirfd)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _reflink(source: int, target: int) -> None:
    fcntl.ioctl(target, FICLONE, source)


def clone(src_dir: int, source: str, dst_dir: int, target: str) -> None:
    src = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=src_dir)
    try:
        found = os.fstat(src)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        dst = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=dst_dir)
        try:
            _reflink(src, dst)
            os.utime(dst, ns=(found.st_atime_ns, found.st_mtime_ns))
        except OSError:
            os.unlink(target, dir_fd=dst_dir)
            raise
        finally:
            os.close(dst)
    finally:
        os.close(src)
