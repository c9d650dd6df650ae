"""`Files` whose operations fail, come short, or are recorded: faults through the seam, not through patching."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from walrus_fast.errors import StorageError, storage_error
from walrus_fast.files import HERE, Files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# What changes something on a disk, or makes it durable; and how the files it touches are named.
MUTATIONS = ("create", "write_all", "copy_prefix", "sync", "rename", "link", "unlink", "make_directory")


class FaultyFiles(Files):
    """The `fail_at`-th of the counted operations fails; with `for_good`, so does each one after it, with `later`.

    `counted` are names of operations; `seen` says how many there were.
    """

    def __init__(
        self,
        fail_at: int,
        *,
        number: int = errno.EIO,
        counted: Sequence[str] = MUTATIONS,
        for_good: bool = False,
        later: int = 0,
    ) -> None:
        self._fail_at = fail_at
        self._number = number
        self._counted = frozenset(counted)
        self._for_good = for_good
        self._later = later or number
        self._in_a_tree = False  # removing one is counted as one
        self.seen = 0

    @property
    def has_failed(self) -> bool:
        return 0 < self._fail_at <= self.seen

    def _count(self, operation: str, path: object) -> None:
        if operation in self._counted:
            self.seen += 1
            if self.seen == self._fail_at:
                raise storage_error(self._number, operation, str(path))
            if self._for_good and self.has_failed:
                raise storage_error(self._later, operation, str(path))

    def create(self, path: Path | str, mode: int = 0o640) -> int:
        self._count("create", path)
        return super().create(path, mode)

    def write_all(self, fd: int, data: bytes | memoryview) -> None:
        self._count("write_all", fd)
        super().write_all(fd, data)

    def copy_prefix(self, source_fd: int, target_fd: int, length: int) -> None:
        self._count("copy_prefix", target_fd)
        super().copy_prefix(source_fd, target_fd, length)

    def sync(self, fd: int, path: Path | str) -> None:
        self._count("sync", path)
        super().sync(fd, path)

    def rename(self, source: Path | str, target: Path | str) -> None:
        self._count("rename", source)
        super().rename(source, target)

    def link(self, source: Path | str, target: Path | str) -> None:
        self._count("link", target)
        super().link(source, target)

    def unlink(self, path: Path | str, *, missing_ok: bool = False) -> None:
        self._count("unlink", path)
        super().unlink(path, missing_ok=missing_ok)

    def remove_tree(self, path: Path) -> None:
        self._count("remove_tree", path)
        above, self._in_a_tree = self._in_a_tree, True
        try:
            super().remove_tree(path)
        finally:
            self._in_a_tree = above

    def make_directory(self, path: Path | str, mode: int = 0o750) -> None:
        self._count("make_directory", path)
        super().make_directory(path, mode)

    def rename_many(self, source: int, names: Sequence[str], target: int, to: Sequence[str]) -> list[int]:
        done = []
        for name, other in zip(names, to, strict=True):
            try:
                self._count("rename", name)
            except StorageError as fault:
                done.append(fault.number)
            else:
                done += super().rename_many(source, [name], target, [other])
        return done

    def unlink_many(self, directory: int, names: Sequence[str]) -> list[int]:
        if self._in_a_tree:
            return super().unlink_many(directory, names)
        done = []
        for name in names:
            try:
                self._count("unlink", name)
            except StorageError as fault:
                done.append(fault.number)
            else:
                done += super().unlink_many(directory, [name])
        return done

    def sync_many(self, directory: int, names: Sequence[str]) -> list[int]:
        done = []
        for name in names:
            try:
                self._count("sync", name)
            except StorageError as fault:
                done.append(fault.number)
            else:
                done += super().sync_many(directory, [name])
        return done


class RecordingFiles(Files):
    """Keeps (operation, path) of all that changes names or makes them durable, in order."""

    def __init__(self) -> None:
        self.record: list[tuple[str, str]] = []

    def sync(self, fd: int, path: Path | str) -> None:
        super().sync(fd, path)
        self.record.append(("sync", str(path)))

    def sync_many(self, directory: int, names: Sequence[str]) -> list[int]:
        folder = "" if directory == HERE else os.readlink(f"/proc/self/fd/{directory}") + "/"
        self.record += [("sync", f"{folder}{name}") for name in names]
        return super().sync_many(directory, names)

    def rename(self, source: Path | str, target: Path | str) -> None:
        super().rename(source, target)
        self.record.append(("rename", str(target)))

    def rename_many(self, source: int, names: Sequence[str], target: int, to: Sequence[str]) -> list[int]:
        folder = os.readlink(f"/proc/self/fd/{target}")
        self.record += [("rename", f"{folder}/{name}") for name in to]
        return super().rename_many(source, names, target, to)

    def unlink_many(self, directory: int, names: Sequence[str]) -> list[int]:
        folder = os.readlink(f"/proc/self/fd/{directory}")
        self.record += [("unlink", f"{folder}/{name}") for name in names]
        return super().unlink_many(directory, names)

    def unlink(self, path: Path | str, *, missing_ok: bool = False) -> None:
        super().unlink(path, missing_ok=missing_ok)
        self.record.append(("unlink", str(path)))


class ShortFiles(Files):
    """Reads at most seven bytes at a time."""

    def read_into(self, fd: int, buffer: memoryview) -> int:
        return super().read_into(fd, buffer[:7])
