"""Paths below a folder in which others may write: followed component by component, never through a symbolic link.

Checking a path first and using it afterwards leaves a moment in which somebody exchanges a folder for a link. So each
folder is opened relative to the one before (`O_NOFOLLOW`), and the system call gets the last one's descriptor.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from walrus_fast.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["HERE", "Distrusting", "Roots", "below", "open_folder", "placed"]

HERE = -100  # AT_FDCWD: names are paths of their own
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


Roots: TypeAlias = "frozenset[tuple[str, str]]"
"""(what it is about, the folder from where on no link is followed): a folder and itself, or and its parent."""


def below(path: str, roots: Roots) -> str | None:
    """The folder from where on no link may be followed, as the innermost of `roots` says; None when none does."""
    concerned = [
        (about, anchor)
        for about, anchor in roots
        if path.startswith(f"{about}/") or (path == about and about != anchor)
    ]
    return max(concerned, key=lambda root: len(root[0]))[1] if concerned else None


@contextmanager
def placed(path: str, roots: Roots) -> Iterator[tuple[str, int | None]]:
    """What to give to a system call: a name, and the descriptor of the folder that it is in (`dir_fd`).

    For a path below none of `roots` those are the path itself and None. A root itself may be a link: it is the
    operator's choice.
    Raises: OSError; ELOOP where something below a root that should be a folder is a link, or anything else.
    """
    root = below(path, roots)
    if root is None:
        yield path, None
        return
    *folders, name = path[len(root) + 1 :].split("/")
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            inner = _enter(fd, folder)
            os.close(fd)
            fd = inner
        yield name, fd
    finally:
        os.close(fd)


def _enter(fd: int, folder: str) -> int:
    if folder == "..":
        raise OSError(errno.ELOOP, "leads out of the folder")
    try:
        return os.open(folder, _FOLDER, dir_fd=fd)
    except NotADirectoryError as exc:
        raise OSError(errno.ELOOP, "a link, or no folder, is in the way") from exc


def open_folder(name: str, folder: int | None) -> int:
    """Open what `placed` gave as a directory. Raises: OSError, also for a link below a root."""
    no_link = 0 if folder is None else os.O_NOFOLLOW
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | no_link, dir_fd=folder)


class Distrusting:
    """Remembers which folders others can write in, and places every path accordingly."""

    _distrusted: Roots = frozenset()

    def distrust(self, root: Path, *, itself: bool = False) -> None:
        """From now on, follow no symbolic link below this folder: others can write there, at any moment.

        What is in the way then is a StorageError with ELOOP. The folder itself may be a link, the operator's; or not
        (`itself`), when others can write where it lies.
        """
        self._distrusted |= {(str(root), str(root.parent if itself else root))}

    @contextmanager
    def _placed(self, action: str, path: Path | str) -> Iterator[tuple[str, int | None]]:
        """(name, dir_fd) for a system call, whose errors are translated."""
        with translated(action, path), placed(str(path), self._distrusted) as (name, folder):
            yield name, folder

    @contextmanager
    def _batch(self, directory: int, names: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
        """The same for names that are paths of their own: all of one folder, which is opened once."""
        folders = {os.path.dirname(name) for name in names} if directory == HERE else set()
        if len(folders) != 1 or below(names[0], self._distrusted) is None:
            yield directory, names
            return
        with self._placed("open", names[0]) as (_, folder):
            yield HERE if folder is None else folder, [os.path.basename(name) for name in names]
