"""What is in a file: opening, reading, writing, making it durable, and its pages in the cache."""

from __future__ import annotations

import errno
import mmap
import os
import stat
from typing import TYPE_CHECKING

from walrus_fast import _native
from walrus_fast.errors import StorageError, foreign_error, translated
from walrus_fast.files.beneath import Distrusting

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Contents"]

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class Contents(Distrusting):
    """Operations on one open file."""

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

    def size_of(self, fd: int) -> int:
        """Size in bytes of an open file."""
        with translated("stat", fd):
            return os.fstat(fd).st_size

    def map_shared(self, fd: int, length: int) -> mmap.mmap:
        """Shared mapping of an open file, for counters that processes share."""
        with translated("map", fd):
            return mmap.mmap(fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)

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
