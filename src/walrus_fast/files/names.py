"""What a file is called and is known by: links, renames, stats and locks."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from walrus_fast import _native
from walrus_fast.errors import FileMissing, StorageError, translated
from walrus_fast.files.beneath import HERE
from walrus_fast.files.contents import Contents
from walrus_fast.files.facts import FileStat, FileSystemSpace

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Names"]

_FICLONE = 0x40049409  # linux/fs.h; the fcntl module names it from Python 3.12 on


class Names(Contents):
    """Operations on one name."""

    def rename(self, source: Path | str, target: Path | str) -> None:
        """Atomically give a file or folder another name, replacing a file there."""
        with self._placed("rename", source) as (name, folder), self._placed("rename", target) as (other, place):
            os.rename(name, other, src_dir_fd=folder, dst_dir_fd=place)

    def exchange(self, first: Path | str, second: Path | str) -> None:
        """Atomically swap two names (`renameat2(RENAME_EXCHANGE)`)."""
        with self._placed("exchange", first) as (name, folder), self._placed("exchange", second) as (other, place):
            _native.exchange(HERE if folder is None else folder, name, HERE if place is None else place, other)

    def link(self, source: Path | str, target: Path | str) -> None:
        """A second name for a file."""
        with self._placed("link", source) as (name, folder), self._placed("link", target) as (other, place):
            os.link(name, other, src_dir_fd=folder, dst_dir_fd=place, follow_symlinks=False)

    def symlink(self, source: Path | str, target: Path | str) -> None:
        """Make `target` a symbolic link to `source`, which may lie on another file system and is not touched."""
        with self._placed("link", target) as (name, folder):
            os.symlink(source, name, dir_fd=folder)

    def unlink(self, path: Path | str, *, missing_ok: bool = False) -> None:
        """Remove a file's name."""
        try:
            with self._placed("remove", path) as (name, folder):
                os.unlink(name, dir_fd=folder)
        except FileMissing:
            if not missing_ok:
                raise

    def stat(self, path: Path | str) -> FileStat:
        """Identity of a regular file; links are not followed."""
        with self._placed("stat", path) as (name, folder):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            raise StorageError(f"cannot use {path}: not a regular file", path=str(path))
        return FileStat(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def device_of(self, path: Path | str) -> int:
        """The device number of the file system that holds `path`."""
        with translated("stat", path):
            return os.stat(path).st_dev

    def free_bytes(self, path: Path | str) -> int:
        """Bytes that we may still write on the file system that holds `path`."""
        with translated("ask for the free space of", path):
            found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def file_system_space(self, path: Path | str) -> FileSystemSpace:
        """Of the file system that holds `path`."""
        with translated("ask for the space of", path):
            found = os.statvfs(path)
        return FileSystemSpace(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    def changed_ns(self, path: Path | str) -> int:
        """When an entry of a folder was last added, removed or renamed: its mtime in nanoseconds."""
        with translated("stat", path):
            return os.lstat(path).st_mtime_ns

    def lock(self, path: Path, *, shared: bool, create: bool) -> int | None:
        """Take a `flock` without waiting: the descriptor that holds it, or None when another holds it.

        The kernel drops the lock when the descriptor is closed or the process dies.
        """
        flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | ((os.O_RDWR | os.O_CREAT) if create else os.O_RDONLY)
        with self._placed("lock", path) as (name, folder):
            fd = os.open(name, flags, 0o640, dir_fd=folder)
            try:
                fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return None
            return fd

    def hold(self, fd: int, *, wait: bool = False) -> bool:
        """Take the `flock` of what is open, alone; whether it was to be had. The kernel drops it as in `lock`."""
        with translated("lock", fd):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                return False
            return True

    def open_lock(self, path: Path) -> int:
        """Open or create a lock file for an `fcntl` lock, as RocksDB does. The caller closes it."""
        with self._placed("lock", path) as (name, folder):
            return os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644, dir_fd=folder)

    def clone_pinned(self, source: str, target: str) -> int:
        """Reflink what `open_pinned` opens as a new file; an errno, 0 is success."""
        source_fd, target_fd = self.open_pinned(source), -1
        try:
            target_fd = self.create(target)
            fcntl.ioctl(target_fd, _FICLONE, source_fd)
        except OSError as exc:
            self.unlink(target, missing_ok=True)
            return exc.errno or errno.EIO
        finally:
            for fd in (source_fd, target_fd):
                if fd >= 0:
                    self.close(fd)
        return 0
