"""Pins: what keeps a file's bytes from vanishing while the owner compacts and deletes.

A pin is a hard link in a folder of ours where the file system allows it, else an open descriptor. Link
folders are tried in the order given; what a folder cannot hold (another file system, a read-only mount,
`fs.protected_hardlinks`) falls through to the next, at last to descriptors.
"""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING

from walrus_fast.errors import StorageError, TooManyOpenFiles, storage_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["PinSet", "raise_descriptor_limit"]

# Errnos that say "not by a link in this folder", as opposed to "the file is gone" or "the disk is broken".
_CANNOT_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EROFS, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSPC, errno.EDQUOT}
)


def raise_descriptor_limit() -> int:
    """Lift this process's soft limit of open files to its hard limit; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class PinSet:
    """Pinned files by name. `close` lets go of descriptors; links go with the folders that hold them.

    `folders` are folders of ours, made by the caller, that may hold links; none is fine.
    """

    def __init__(self, files: Files, folders: Sequence[Path]) -> None:
        self._files = files
        self._folders: list[tuple[str, int]] = []
        # (device, inode) of a source directory -> index of the first folder that may take its links
        self._usable: dict[tuple[int, int], int] = {}
        self._links: dict[str, int] = {}  # name -> index of its folder
        self._descriptors: dict[str, int] = {}
        try:
            for folder in folders:
                self._folders.append((str(folder), files.open_directory(folder)))
        except StorageError:
            self.close()
            raise

    def close(self) -> None:
        """Close every descriptor. The pins held by them are gone then."""
        for fd in self._descriptors.values():
            self._files.close(fd)
        self._descriptors.clear()
        for _, fd in self._folders:
            self._files.close(fd)
        self._folders.clear()

    def __contains__(self, name: str) -> bool:
        return name in self._links or name in self._descriptors

    @property
    def links(self) -> int:
        """How many files are held by links."""
        return len(self._links)

    def pin(self, directory: int, names: Sequence[str]) -> list[str]:
        """Pin files of an open directory; returns the names that were gone already.

        Raises: StorageError for anything else than a vanished file.
        """
        missing: list[str] = []
        waiting = list(names)
        found = os.fstat(directory)
        key = (found.st_dev, found.st_ino)
        for index in range(self._usable.get(key, 0), len(self._folders)):
            if not waiting:
                return missing
            # One file first: on another file system, 100,000 refused links would be 100,000 wasted calls.
            refused = self._link(directory, index, waiting[:1], missing)
            if refused:
                self._usable[key] = index + 1
                continue
            waiting = self._link(directory, index, waiting[1:], missing)
        for name in waiting:
            self._open(directory, name, missing)
        return missing

    def _link(self, directory: int, index: int, names: list[str], missing: list[str]) -> list[str]:
        folder, target = self._folders[index]
        refused = []
        for name, number in zip(names, self._files.link_many(directory, names, target, names), strict=True):
            if number in (0, errno.EEXIST):
                self._links[name] = index
            elif number == errno.ENOENT:
                missing.append(name)
            elif number in _CANNOT_LINK:
                refused.append(name)
            else:
                raise storage_error(number, "link", f"{folder}/{name}")
        return refused

    def _open(self, directory: int, name: str, missing: list[str]) -> None:
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
        except FileNotFoundError:
            missing.append(name)
        except OSError as exc:
            error = storage_error(exc.errno or 0, "open", name)
            if isinstance(error, TooManyOpenFiles):
                error.message += f" ({len(self._descriptors)} files are pinned by descriptor)"
            raise error from exc
        else:
            self._descriptors[name] = fd

    def where(self, name: str) -> tuple[str | None, bool]:
        """A path under which the pinned bytes can be opened, from any process of this user, until `close`; and whether
        it is a link: a name of its own that may be renamed into a repository. None when the file is not pinned."""
        if (index := self._links.get(name)) is not None:
            return f"{self._folders[index][0]}/{name}", True
        if (fd := self._descriptors.get(name)) is not None:
            return f"/proc/{os.getpid()}/fd/{fd}", False
        return None, False

    def drop(self, names: Sequence[str]) -> None:
        """Let go of pins that the final file set does not need."""
        for name in names:
            if (index := self._links.pop(name, None)) is not None:
                self._files.unlink(f"{self._folders[index][0]}/{name}", missing_ok=True)
            elif (fd := self._descriptors.pop(name, None)) is not None:
                self._files.close(fd)

    @property
    def names(self) -> list[str]:
        """Every pinned name."""
        return [*self._links, *self._descriptors]
