"""Folders: making, listing, removing them."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from typing import TYPE_CHECKING

from walrus_fast.errors import FileMissing, NotPermitted, storage_error
from walrus_fast.files.batches import Batches
from walrus_fast.files.beneath import below, open_folder
from walrus_fast.files.names import Names

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Folders"]


class Folders(Names, Batches):
    """Operations on one folder and what is in it."""

    def open_directory(self, path: Path | str) -> int:
        """Open a directory for the `*_many` operations. The caller closes it."""
        with self._placed("open", path) as (name, folder):
            return open_folder(name, folder)

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

    def sync_directory(self, path: Path | str) -> None:
        """Make the entries of a directory durable."""
        fd = self.open_directory(path)
        try:
            self.sync(fd, path)
        finally:
            self.close(fd)

    def own_directory(self, path: Path) -> None:
        """Create a directory for us alone (0700), or find one that is; its parent may be anybody's to write in.

        Raises: NotPermitted for one that another user made, or may write in, or a link: he would have us work, and
        remove, wherever he likes. StorageError.
        """
        with self._placed("create folder", path) as (name, folder):
            try:
                os.mkdir(name, 0o700, dir_fd=folder)
                return
            except FileExistsError:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.geteuid())
        if not is_ours or (found.st_mode & 0o022 and self._knows_modes(path)):
            raise NotPermitted(
                f"cannot work in {path}: it is not a folder that only we can write in (uid {found.st_uid})",
                number=errno.EPERM,
                path=str(path),
                hint="Look at what it is. If nothing of yours is in it, remove it.",
            )

    def _knows_modes(self, path: Path) -> bool:
        """Whether the file system keeps modes: on FAT every folder has those of the mount, and links do not exist."""
        with self._placed("create folder", path) as (name, folder):
            probe = f"{name}.{secrets.token_hex(4)}"
            os.mkdir(probe, 0o700, dir_fd=folder)
            try:
                return not os.stat(probe, dir_fd=folder, follow_symlinks=False).st_mode & 0o022
            finally:
                os.rmdir(probe, dir_fd=folder)

    def _make_directory(self, path: Path) -> None:
        with self._placed("create folder", path) as (name, folder):
            try:
                os.mkdir(name, 0o750, dir_fd=folder)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=folder is None).st_mode):
                    raise

    def change_mode(self, path: Path, mode: int) -> None:
        """Set a folder's permissions."""
        with self._placed("change the permissions of", path) as (name, folder):
            fd = open_folder(name, folder)
            try:
                os.fchmod(fd, mode)
            finally:
                os.close(fd)

    def give_to(self, path: Path, uid: int, gid: int) -> None:
        """Give away a folder and the files in it that have no other name; the folder last: then it is his to change."""
        with self._placed("change the owner of", path) as (name, folder):
            fd = open_folder(name, folder)
            try:
                for entry in os.listdir(fd):
                    if os.stat(entry, dir_fd=fd, follow_symlinks=False).st_nlink == 1:
                        os.chown(entry, uid, gid, dir_fd=fd, follow_symlinks=False)
                os.fchown(fd, uid, gid)
            finally:
                os.close(fd)
