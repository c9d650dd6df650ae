"""What a worker process does with a task: unpack, move and checksum each file, answer."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

from walrus_fast import _native
from walrus_fast.checksum import BUFFER_BYTES, Checksums
from walrus_fast.durable import undone_by
from walrus_fast.errors import (
    Cancelled,
    FileExists,
    StorageError,
    TooManyOpenFiles,
    TransferModeUnsupported,
    storage_error,
)
from walrus_fast.files import HERE
from walrus_fast.methods import Method
from walrus_fast.transfer.control import OwnerWatch, Pacer, TaskCounters
from walrus_fast.transfer.page_cache import ReadOnce
from walrus_fast.transfer.task import FailedFile, TransferItem, TransferredFile, TransferTask

if TYPE_CHECKING:
    from walrus_fast.files import Files

__all__ = ["prepare_thread", "prepare_worker", "run_task"]

# Errnos that say "this method does not work between these two files"; the next one is tried.
_METHOD_REFUSED = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EMLINK}
)
# Those that are so for every file of the two folders: a clone that ends so has made and removed a file by then.
_ALWAYS_REFUSED = frozenset({errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS})
# The kernel is asked to write what a copy has made dirty while the copy goes on: the sync at its end waits less, and
# the cache is left to the database.
_WRITEBACK_BYTES = 8 << 20
_SYNC_ALONE_FROM = 1 << 20  # bytes: smaller files are synced in one batch at the end, one journal commit for all


def prepare_worker() -> None:
    """Once in a new worker process: low CPU and I/O priority, and Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_thread()


def prepare_thread() -> None:
    """Once in a new worker thread: low CPU and I/O priority, which are each thread's own on Linux."""
    try:
        _native.lower_priority(10, 2, 7)  # nice 10, best effort, its lowest level
    except OSError:
        pass  # a container may forbid it; the work is the same, only less polite


def run_task(files: Files, task: TransferTask) -> list[TransferredFile | FailedFile]:
    """Do every item of a task, in order.

    Raises: StorageError for the first item that fails, unless told to keep going; its partial target is removed.
    Killing the process at any point leaves at most partial targets, in folders that the parent sweeps.
    """
    watch = OwnerWatch(task.owner)
    counters = TaskCounters(files, task.control, task.slot)
    try:
        mover = _Mover(files, counters, watch, sync=task.sync)
        return [mover.attempt(item) if task.keep_going else mover.move(item) for item in task.items]
    finally:
        counters.close()
        watch.close()


class _Mover:
    def __init__(self, files: Files, counters: TaskCounters, watch: OwnerWatch, *, sync: bool) -> None:
        self._files = files
        self._counters = counters
        self._watch = watch
        self._pacer = Pacer(counters, sleep=watch.sleep)
        self._sync = sync
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._refused: dict[tuple[Method, str, str], int] = {}

    def attempt(self, item: TransferItem) -> TransferredFile | FailedFile:
        try:
            return self.move(item)
        except TooManyOpenFiles:
            raise  # our own trouble: it says nothing about the file
        except StorageError as exc:
            self._counters.add_file()
            return FailedFile(exc.message)

    def move(self, item: TransferItem) -> TransferredFile:
        method = self._place(item)
        checksums = Checksums()
        if method is Method.COPY and item.target is not None:
            size = self._copy(item, item.target, checksums)
        else:
            size = self._stream(item.source, item.size, checksums, target=-1)
        if size != item.size:
            raise StorageError(f"{item.source} ended at {size} of {item.size} bytes", path=item.source)
        self._counters.add_file()
        return TransferredFile(size, checksums.crc32c, checksums.xxh3, method)

    def _place(self, item: TransferItem) -> Method:
        """Link or clone where asked and possible; COPY when the bytes are still to be moved."""
        if item.target is None:
            return Method.READ
        number = 0
        for method in item.methods:
            if method is Method.COPY:
                return method
            between = (method, os.path.dirname(item.source), os.path.dirname(item.target))
            number = self._refused.get(between, 0) or self._place_by(method, item.source, item.target)
            if number == errno.EEXIST:
                self._files.unlink(item.target)  # left by a worker that died over this task
                number = self._place_by(method, item.source, item.target)
            if number == 0:
                return method
            if number not in _METHOD_REFUSED:
                raise storage_error(number, method.value, item.target)
            if number in _ALWAYS_REFUSED:
                self._refused[between] = number
        tried = " or ".join(item.methods)
        raise TransferModeUnsupported(
            f"cannot {tried} {item.source} to {item.target}: {os.strerror(number)}", number=number, path=item.target
        )

    def _place_by(self, method: Method, source: str, target: str) -> int:
        """The errno of a link or clone, 0 when it is done."""
        if _is_pinned(source):
            # Only a name can be linked; the bytes behind a descriptor can be cloned, from a read-only mount too.
            if method is Method.LINK:
                return errno.EXDEV
            self._files.unlink(target, missing_ok=True)
            return self._files.clone_pinned(source, target)
        many = self._files.link_many if method is Method.LINK else self._files.clone_many
        return many(HERE, [source], HERE, [target])[0]

    def _create(self, target: str) -> int:
        try:
            return self._files.create(target)
        except FileExists:
            self._files.unlink(target)  # as above
            return self._files.create(target)

    def _copy(self, item: TransferItem, target: str, checksums: Checksums) -> int:
        fd = self._create(target)
        with undone_by(lambda: self._files.unlink(target, missing_ok=True)):
            try:
                size = self._stream(item.source, item.size, checksums, target=fd)
                if self._files.size_of(fd) != size:
                    raise StorageError(f"{target} has {self._files.size_of(fd)} bytes after {size} were written")
                if self._sync and size >= _SYNC_ALONE_FROM:
                    self._files.sync(fd, target)
                    self._files.forget_cached(fd)  # only now: dirty pages stay whatever is asked
            finally:
                self._files.close(fd)
        return size

    def _stream(self, source: str, size: int, checksums: Checksums, *, target: int) -> int:
        """Read `size` bytes once: into the checksums and, unless `target` is negative, into a descriptor."""
        files, buffer, done = self._files, self._buffer, 0
        cost = 1 if target < 0 else 2
        fd = files.open_pinned(source) if _is_pinned(source) else files.open_read(source)
        reading = ReadOnce(files, fd, size)
        try:
            while done < size:
                count = files.read_into(fd, buffer[: min(BUFFER_BYTES, size - done)])
                if count == 0:
                    break
                chunk = buffer[:count]
                checksums.update(chunk)
                if target >= 0:
                    files.write_all(target, chunk)
                done += count
                reading.passed(done)
                if target >= 0 and done % _WRITEBACK_BYTES < count:
                    files.forget_cached(target)
                self._counters.add_bytes(count)
                self._pacer.spend(count * cost)
                if self._counters.stopped:
                    raise Cancelled("stopped")
                self._watch.check()
        finally:
            reading.end()
            files.close(fd)
        return done


def _is_pinned(source: str) -> bool:
    """Whether the path is that of a descriptor that pins a file (`/proc/<pid>/fd/<n>`)."""
    return source.startswith("/proc/")
