"""The seam through which every file operation of ours goes.

`Files` is the real thing. Tests pass a subclass whose n-th call fails, tears or records; nothing else in the
package calls `os.open`, `os.rename` and their kin on database or repository files. It is the one boundary at
which `OSError` becomes a `StorageError`. An instance holds no state and can be pickled into a worker.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from walrus_fast import _native
from walrus_fast.errors import FileMissing, StorageError, storage_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["FileStat", "FileSystemSpace", "Files", "HERE"]

HERE = -100  # AT_FDCWD: names are paths of their own
_FICLONE = 0x40049409  # linux/fs.h; the fcntl module names it from Python 3.12 on
_SYNC_THREADS = 64
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class FileStat(msgspec.Struct, frozen=True, gc=False):
    """What identifies a file's contents without reading them. `mtime_ns` in nanoseconds, `size` in bytes."""

    device: int
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class FileSystemSpace:
    """Bytes: the size of a file system, and what we may still write on it."""

    size: int
    free: int


@contextmanager
def _translated(action: str, path: Path | str | int) -> Iterator[None]:
    """Makes OSError a StorageError that names the file; of an open descriptor, what is open.

    Takes a microsecond, which the calls that are made for each of 100,000 files save.
    """
    try:
        yield
    except (OSError, ValueError) as exc:
        raise _error_of(exc, action, path) from exc


def _error_of(exc: OSError | ValueError, action: str, path: Path | str | int) -> StorageError:
    if not isinstance(exc, OSError):  # a NUL or half a surrogate in a name: Python refuses it before the kernel can
        return storage_error(errno.EINVAL, action, repr(str(path)))
    return storage_error(exc.errno or 0, action, _name_of(path) if isinstance(path, int) else path)


def _name_of(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return f"descriptor {fd}"  # closed: its number is all that is left


def _make_with_parents(path: Path) -> None:
    """As `Path.mkdir(parents=True)`, which gives the parents whatever the umask leaves: 0755, as a rule."""
    try:
        path.mkdir(mode=0o750, exist_ok=True)
    except FileNotFoundError:
        if path.parent == path:
            raise
        _make_with_parents(path.parent)
        path.mkdir(mode=0o750, exist_ok=True)


class Files:
    """File operations on the real file system. Every method raises `StorageError`, and nothing else.

    Methods that take several names (`link_many`, ...) work by directory descriptor with the interpreter lock
    released, and report one errno a name instead of raising: 0 is success.
    """

    def open_read(self, path: Path | str) -> int:
        """Open for reading; the last component must not be a symbolic link. The caller closes it."""
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (OSError, ValueError) as exc:
            raise _error_of(exc, "open", path) from exc

    def open_pinned(self, path: str) -> int:
        """Open a pinned file for reading. Descriptor pins (`/proc/<pid>/fd/<n>`) are links by nature."""
        with _translated("open", path):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def open_directory(self, path: Path | str) -> int:
        """Open a directory for the `*_many` operations. The caller closes it."""
        with _translated("open", path):
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def create(self, path: Path | str, mode: int = 0o640) -> int:
        """Create a file that must not exist yet, for writing. The caller closes it."""
        with _translated("create", path):
            return os.open(path, _NEW_FILE, mode)

    def close(self, fd: int) -> None:
        """Close a descriptor. Errors of a delayed write surface here on some network file systems."""
        try:
            os.close(fd)
        except OSError as exc:
            raise _error_of(exc, "close", fd) from exc

    def read_into(self, fd: int, buffer: memoryview) -> int:
        """Read up to `len(buffer)` bytes at the descriptor's position; 0 at the end."""
        try:
            return os.readv(fd, [buffer])
        except OSError as exc:
            raise _error_of(exc, "read", fd) from exc

    def read_bytes(self, path: Path | str, limit: int = 1 << 30) -> bytes:
        """A whole file of at most `limit` bytes (1 GiB unless told)."""
        fd = self.open_read(path)
        try:
            with _translated("read", path):
                size = os.fstat(fd).st_size
                if size > limit:
                    raise StorageError(f"cannot read {path}: {size} bytes are more than the {limit} allowed")
                chunks = []
                while chunk := os.read(fd, 1 << 20):
                    chunks.append(chunk)
                return b"".join(chunks)
        finally:
            self.close(fd)

    def write_from(self, fd: int, data: memoryview) -> int:
        """Write some of the bytes at the descriptor's position; how many."""
        with _translated("write", fd):
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
        with _translated("write", target_fd):
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
        with _translated("sync", path):
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
        with _translated("rename", source):
            os.rename(source, target)

    def exchange(self, first: Path | str, second: Path | str) -> None:
        """Atomically swap two names (`renameat2(RENAME_EXCHANGE)`)."""
        with _translated("exchange", second):
            _native.exchange(HERE, str(first), HERE, str(second))

    def link(self, source: Path | str, target: Path | str) -> None:
        """A second name for a file."""
        with _translated("link", target):
            os.link(source, target, follow_symlinks=False)

    def symlink(self, source: Path | str, target: Path | str) -> None:
        """Make `target` a symbolic link to `source`, which may lie on another file system and is not touched."""
        with _translated("link", target):
            os.symlink(source, target)

    def unlink(self, path: Path | str, *, missing_ok: bool = False) -> None:
        """Remove a file's name."""
        try:
            with _translated("remove", path):
                os.unlink(path)
        except FileMissing:
            if not missing_ok:
                raise

    def make_directory(self, path: Path | str, mode: int = 0o750) -> None:
        """Create one directory; `FileExists` when something has the name."""
        with _translated("create folder", path):
            os.mkdir(path, mode)

    def make_directories(self, path: Path) -> None:
        """Create a directory and its parents, not open to others; fine when it is there."""
        with _translated("create folder", path):
            _make_with_parents(path)

    def remove_directory(self, path: Path | str) -> None:
        """Remove an empty directory."""
        with _translated("remove folder", path):
            os.rmdir(path)

    def remove_tree(self, path: Path) -> None:
        """Remove a directory of ours with all that is in it; fine when it is gone. Links are not followed.

        What is no directory (a link to one, a file) is removed itself.
        """
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
        with _translated("list", path), os.scandir(path) as entries:
            return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)

    def list_names(self, path: Path | str, *, prefix: str = "", suffix: str = "") -> list[str]:
        """Names of what is no directory and begins and ends so, sorted.

        For a few names among very many: a tenth of what `list_directory` takes, which looks at each one.
        """
        with _translated("list", path):
            names = sorted(name for name in os.listdir(path) if name.startswith(prefix) and name.endswith(suffix))
        return [name for name in names if not self.is_directory(f"{path}/{name}")]

    def is_directory(self, path: Path | str) -> bool:
        """Whether a directory is there; a link to one is none."""
        with _translated("stat", path):
            try:
                return stat.S_ISDIR(os.lstat(path).st_mode)
            except FileNotFoundError:
                return False

    def stat(self, path: Path | str) -> FileStat:
        """Identity of a regular file; links are not followed."""
        with _translated("stat", path):
            found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            raise StorageError(f"cannot use {path}: not a regular file", path=str(path))
        return FileStat(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def device_of(self, path: Path | str) -> int:
        """The device number of the file system that holds `path`."""
        with _translated("stat", path):
            return os.stat(path).st_dev

    def size_of(self, fd: int) -> int:
        """Size in bytes of an open file."""
        with _translated("stat", fd):
            return os.fstat(fd).st_size

    def free_bytes(self, path: Path | str) -> int:
        """Bytes that we may still write on the file system that holds `path`."""
        with _translated("ask for the free space of", path):
            found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def file_system_space(self, path: Path | str) -> FileSystemSpace:
        """Of the file system that holds `path`."""
        with _translated("ask for the space of", path):
            found = os.statvfs(path)
        return FileSystemSpace(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    def changed_ns(self, path: Path | str) -> int:
        """When an entry of a folder was last added, removed or renamed: its mtime in nanoseconds."""
        with _translated("stat", path):
            return os.lstat(path).st_mtime_ns

    def lock(self, path: Path, *, shared: bool, create: bool) -> int | None:
        """Take a `flock` without waiting: the descriptor that holds it, or None when another holds it.

        The kernel drops the lock when the descriptor is closed or the process dies.
        """
        flags = os.O_CLOEXEC | os.O_NOFOLLOW | ((os.O_RDWR | os.O_CREAT) if create else os.O_RDONLY)
        with _translated("lock", path):
            fd = os.open(path, flags, 0o640)
            try:
                fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return None
            return fd

    def open_lock(self, path: Path) -> int:
        """Open or create a lock file for an `fcntl` lock, as RocksDB does. The caller closes it."""
        with _translated("lock", path):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)

    def read_in_order(self, fd: int) -> None:
        """Tell the kernel that a file is read from its beginning to its end: it reads further ahead."""
        with _translated("advise on", fd):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)

    def cached_pages(self, fd: int, offset: int, length: int) -> bytes:
        """A byte a page: 1 where the page cache holds it; see `_native.resident_pages`."""
        with _translated("ask for the cached pages of", fd):
            return _native.resident_pages(fd, offset, length)

    def forget_cached(self, fd: int, offset: int = 0, length: int = 0) -> None:
        """Have pages that are clean and mapped by nobody leave the page cache; of dirty ones the writing begins.

        A `length` of 0 reaches to the end of the file.
        """
        with _translated("advise on", fd):
            os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)

    def stat_many(self, directory: int, names: Sequence[str]) -> list[tuple[int, int, int, int, int, int]]:
        """(errno, device, inode, size, mtime_ns, links) a name."""
        return _native.stat_files(directory, names)

    def link_many(self, source: int, names: Sequence[str], target: int, to: Sequence[str]) -> list[int]:
        """Hard-link `names` in `source` as `to` in `target`."""
        return _native.link_files(source, names, target, to)

    def clone_many(self, source: int, names: Sequence[str], target: int, to: Sequence[str]) -> list[int]:
        """Reflink `names` in `source` as new files `to` in `target`."""
        return _native.clone_files(source, names, target, to)

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
        return _native.rename_files(source, names, target, to)

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
        with _translated("map", fd):
            return mmap.mmap(fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
