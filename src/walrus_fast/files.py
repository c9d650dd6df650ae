"""The seam through which every file operation of ours goes.

`Files` is the real thing. Tests pass a subclass whose n-th call fails, tears or records; nothing else in the
package calls `os.open`, `os.rename` and their kin on database or repository files. It is the one boundary at
which `OSError` becomes a `StorageError`. An instance holds nothing but the names of the folders below which it follows
no link (`distrust`), and can be pickled into a worker.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from walrus_fast import _native
from walrus_fast.beneath import HERE, Distrusting, below, open_folder
from walrus_fast.errors import FileMissing, StorageError, foreign_error, storage_error, translated
from walrus_fast.file_facts import FileStat, FileSystemSpace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["FileStat", "FileSystemSpace", "Files", "HERE"]

_FICLONE = 0x40049409  # linux/fs.h; the fcntl module names it from Python 3.12 on
_SYNC_THREADS = 64
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class Files(Distrusting):
    """File operations on the real file system. Every method raises `StorageError`, and nothing else.

    Methods that take several names (`link_many`, ...) work by directory descriptor with the interpreter lock
    released, and report one errno a name instead of raising: 0 is success.
    """

    def open_read(self, path: Path | str) -> int:
        """Open for reading; the last component must not be a symbolic link. The caller closes it.

        Only a regular file: a FIFO or a device of that name would hold us, or never end.
        """
        with self._placed("open", path) as (name, folder):
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return fd
            os.close(fd)
        raise StorageError(f"cannot open {path}: not a regular file", number=errno.EINVAL, path=str(path))

    def open_pinned(self, path: str) -> int:
        """Open a pinned file for reading. Descriptor pins (`/proc/<pid>/fd/<n>`) are links by nature."""
        with translated("open", path):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def open_directory(self, path: Path | str) -> int:
        """Open a directory for the `*_many` operations. The caller closes it."""
        with self._placed("open", path) as (name, folder):
            return open_folder(name, folder)

    def create(self, path: Path | str, mode: int = 0o640) -> int:
        """Create a file that must not exist yet, for writing. The caller closes it."""
        with self._placed("create", path) as (name, folder):
            return os.open(name, _NEW_FILE, mode, dir_fd=folder)

    def close(self, fd: int) -> None:
        """Close a descriptor. Errors of a delayed write surface here on some network file systems."""
        try:
            os.close(fd)
        except OSError as exc:
            raise foreign_error(exc, "close", fd) from exc

    def read_into(self, fd: int, buffer: memoryview) -> int:
        """Read up to `len(buffer)` bytes at the descriptor's position; 0 at the end."""
        try:
            return os.readv(fd, [buffer])
        except OSError as exc:
            raise foreign_error(exc, "read", fd) from exc

    def read_bytes(self, path: Path | str, limit: int = 1 << 30) -> bytes:
        """A whole file of at most `limit` bytes (1 GiB unless told)."""
        fd = self.open_read(path)
        try:
            with translated("read", path):
                size = os.fstat(fd).st_size
                if size > limit:
                    raise StorageError(f"cannot read {path}: {size} bytes are more than the {limit} allowed")
                chunks, left = [], limit + 1  # it may grow while we read
                while left > 0 and (chunk := os.read(fd, min(left, 1 << 20))):
                    chunks.append(chunk)
                    left -= len(chunk)
                if left <= 0:
                    raise StorageError(f"cannot read {path}: more than the {limit} bytes allowed")
                return b"".join(chunks)
        finally:
            self.close(fd)

    def write_from(self, fd: int, data: memoryview) -> int:
        """Write some of the bytes at the descriptor's position; how many."""
        with translated("write", fd):
            return os.write(fd, data)

    def write_all(self, fd: int, data: bytes | memoryview) -> None:
        """Write every byte; short writes go on until done."""
        view = memoryview(data)
        while view:
            view = view[self.write_from(fd, view) :]

    def copy_prefix(self, source_fd: int, target_fd: int, length: int) -> None:
        """Copy `length` bytes from offset 0, in the kernel where it can (shared extents on btrfs and XFS)."""
        done = 0
        while done < length:
            count = self.copy_range(source_fd, target_fd, length - done, done)
            if count == 0:
                raise StorageError(f"source ended at {done} of {length} bytes")
            done += count

    def copy_range(self, source_fd: int, target_fd: int, length: int, offset: int) -> int:
        """Copy up to `length` bytes at `offset` to the same offset; how many, 0 at the end of the source."""
        with translated("write", target_fd):
            try:
                count = os.copy_file_range(source_fd, target_fd, min(length, 1 << 30), offset, offset)
            except OSError:
                count = 0  # EXDEV, EINVAL, EOPNOTSUPP: not on these file systems. What is really wrong shows below.
            if count == 0:
                # overlayfs goes by a size of its own, which lags behind that of a file that is being written.
                count = os.pwrite(target_fd, os.pread(source_fd, min(length, 1 << 20), offset), offset)
            return count

    def sync(self, fd: int, path: Path | str) -> None:
        """Make a file's or directory's contents durable."""
        with translated("sync", path):
            os.fsync(fd)

    def sync_directory(self, path: Path | str) -> None:
        """Make the entries of a directory durable."""
        fd = self.open_directory(path)
        try:
            self.sync(fd, path)
        finally:
            self.close(fd)

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

    def make_directory(self, path: Path | str, mode: int = 0o750) -> None:
        """Create one directory; `FileExists` when something has the name."""
        with self._placed("create folder", path) as (name, folder):
            os.mkdir(name, mode, dir_fd=folder)

    def make_directories(self, path: Path) -> None:
        """Create a directory and its parents, not open to others; fine when it is there."""
        try:
            self._make_directory(path)
        except FileMissing as exc:
            if exc.number != errno.ENOENT or path.parent == path:
                raise
            self.make_directories(path.parent)
            self._make_directory(path)

    def remove_directory(self, path: Path | str) -> None:
        """Remove an empty directory."""
        with self._placed("remove folder", path) as (name, folder):
            os.rmdir(name, dir_fd=folder)

    def remove_tree(self, path: Path) -> None:
        """Remove a directory of ours with all in it, links not followed, or what else has the name; fine when gone."""
        before = self._distrusted
        if below(str(path), before) is None:
            self.distrust(path, itself=True)
        try:
            self._remove_tree(path)
        finally:
            self._distrusted = before

    def _remove_tree(self, path: Path) -> None:
        if not self.is_directory(path):
            self.unlink(path, missing_ok=True)
            return
        entries = self.list_directory(path)
        names = [name for name, is_directory in entries if not is_directory]
        for name, is_directory in entries:
            if is_directory:
                self.remove_tree(path / name)
        if names:
            fd = self.open_directory(path)
            try:
                errnos = self.unlink_many(fd, names)
            finally:
                self.close(fd)
            for name, number in zip(names, errnos, strict=True):
                if number:
                    raise storage_error(number, "remove", path / name)
        self.remove_directory(path)

    def list_directory(self, path: Path | str) -> list[tuple[str, bool]]:
        """(name, is a directory) of every entry, sorted by name."""
        with self._placed("list", path) as (name, folder):
            fd = open_folder(name, folder)
            try:
                with os.scandir(fd) as entries:
                    return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
            finally:
                os.close(fd)

    def list_names(self, path: Path | str, *, prefix: str = "", suffix: str = "") -> list[str]:
        """Names of what is no directory and begins and ends so, sorted.

        For a few names among very many: a tenth of what `list_directory` takes, which looks at each one.
        """
        with self._placed("list", path) as (own, folder):
            fd = open_folder(own, folder)
            try:
                names = sorted(name for name in os.listdir(fd) if name.startswith(prefix) and name.endswith(suffix))
            finally:
                os.close(fd)
        return [name for name in names if not self.is_directory(f"{path}/{name}")]

    def is_directory(self, path: Path | str) -> bool:
        """Whether a directory is there; a link to one is none."""
        try:
            with self._placed("stat", path) as (name, folder):
                return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        except FileMissing as exc:
            if exc.number != errno.ENOENT:
                raise
            return False

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

    def size_of(self, fd: int) -> int:
        """Size in bytes of an open file."""
        with translated("stat", fd):
            return os.fstat(fd).st_size

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

    def open_lock(self, path: Path) -> int:
        """Open or create a lock file for an `fcntl` lock, as RocksDB does. The caller closes it."""
        with self._placed("lock", path) as (name, folder):
            return os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644, dir_fd=folder)

    def read_in_order(self, fd: int) -> None:
        """Tell the kernel that a file is read from its beginning to its end: it reads further ahead."""
        with translated("advise on", fd):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)

    def cached_pages(self, fd: int, offset: int, length: int) -> bytes:
        """A byte a page: 1 where the page cache holds it; see `_native.resident_pages`."""
        with translated("ask for the cached pages of", fd):
            return _native.resident_pages(fd, offset, length)

    def forget_cached(self, fd: int, offset: int = 0, length: int = 0) -> None:
        """Have pages that are clean and mapped by nobody leave the page cache; of dirty ones the writing begins.

        A `length` of 0 reaches to the end of the file.
        """
        with translated("advise on", fd):
            os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)

    def stat_many(self, directory: int, names: Sequence[str]) -> list[tuple[int, int, int, int, int, int]]:
        """(errno, device, inode, size, mtime_ns, links) a name."""
        return _native.stat_files(directory, names)

    def link_many(self, source: int, names: Sequence[str], target: int, to: Sequence[str]) -> list[int]:
        """Hard-link `names` in `source` as `to` in `target`."""
        with self._batch(source, names) as (folder, own), self._batch(target, to) as (place, others):
            return _native.link_files(folder, own, place, others)

    def clone_many(self, source: int, names: Sequence[str], target: int, to: Sequence[str]) -> list[int]:
        """Reflink `names` in `source` as new files `to` in `target`."""
        with self._batch(source, names) as (folder, own), self._batch(target, to) as (place, others):
            return _native.clone_files(folder, own, place, others)

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

    def rename_many(self, source: int, names: Sequence[str], target: int, to: Sequence[str]) -> list[int]:
        """Rename; an existing target is not replaced (EEXIST) where the file system can tell."""
        with self._batch(source, names) as (folder, own), self._batch(target, to) as (place, others):
            return _native.rename_files(folder, own, place, others)

    def unlink_many(self, directory: int, names: Sequence[str]) -> list[int]:
        """Remove names."""
        return _native.unlink_files(directory, names)

    def sync_many(self, directory: int, names: Sequence[str]) -> list[int]:
        """Make files and folders durable, many at a time, in no particular order.

        One after the other, each waits for a flush of the disk's cache; together they share them. Measured with new
        links on ext4, load 7: 5 take 11 ms one by one and 1 ms together, 100 take 167 ms and 12 ms, 3,000 in eight
        threads 214 ms, in 64 105 ms.
        """
        count = min(len(names), _SYNC_THREADS, max(8, len(names) // 32))
        if count <= 1:
            return _native.sync_files(directory, names)
        errnos = [0] * len(names)
        with ThreadPoolExecutor(count) as threads:
            shares = [names[first::count] for first in range(count)]
            for first, found in enumerate(threads.map(partial(_native.sync_files, directory), shares)):
                errnos[first::count] = found
        return errnos

    def sync_all(self, paths: Sequence[str]) -> None:
        """Make every one of these files and folders durable, as `sync_many`. Raises for the first that cannot be."""
        for path, number in zip(paths, self.sync_many(HERE, paths), strict=True):
            if number:
                raise storage_error(number, "sync", path)

    def map_shared(self, fd: int, length: int) -> mmap.mmap:
        """Shared mapping of an open file, for counters that processes share."""
        with translated("map", fd):
            return mmap.mmap(fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
