"""Folders that readers work in: one a process, guarded by a lock on it, swept by the next reader.

They lie in `.walrus-fast/scratch/`, not in `staging/`: what lies there tells the next writer that a writer died.
"""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from walrus_fast.durable import undone_by
from walrus_fast.errors import FileMissing, NotPermitted, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.repository.layout import Layout

__all__ = ["has_scratch_of", "scratch_folder", "sweep_scratch"]

_NAME_ELSEWHERE = ".walrus-fast-scratch"
_HINT = "Give --scratch-dir: a folder that we may write to. It needs room for the backup's logs and MANIFEST only."


@contextmanager
def scratch_folder(files: Files, layout: Layout, elsewhere: Path | None) -> Iterator[Path]:
    """A fresh folder in the repository, or below `elsewhere`; removed at the end whatever happens.

    What killed processes left there is removed first; that of running ones is locked and stays.
    Raises: NotPermitted with a hint when nothing can be written there, StorageError.
    """
    place = _place(layout, elsewhere)
    was_ours = layout.ours.exists()
    try:
        _prepare(files, place, elsewhere)
        _sweep(files, place)
        folder, lock = _make(files, place)
    except NotPermitted as exc:
        raise NotPermitted(exc.message, number=exc.number, path=exc.path, hint=_HINT) from exc
    try:
        with undone_by(lambda: files.remove_tree(folder)):
            yield folder
        try:
            files.remove_tree(folder)
        except StorageError:
            pass  # the work is done and must not be reported as failed; the next reader sweeps the folder
    finally:
        files.close(lock)
        _remove_empty(files, place)
        if elsewhere is None and not was_ours:
            _remove_empty(files, layout.ours)  # a repository that RocksDB made stays as it was


def has_scratch_of(layout: Layout, elsewhere: Path | None, pid: int) -> bool:
    """Whether a process has left its folder behind."""
    try:
        return any(name.startswith(f"{pid}-") for name in os.listdir(_place(layout, elsewhere)))
    except OSError:
        return False  # no such folder, or none that we could have worked in


def sweep_scratch(files: Files, layout: Layout, elsewhere: Path | None) -> None:
    """Remove what killed processes left. Raises: StorageError."""
    place = _place(layout, elsewhere)
    try:
        _sweep(files, place)
    except FileMissing:
        return  # nobody has worked there
    _remove_empty(files, place)


def _place(layout: Layout, elsewhere: Path | None) -> Path:
    return layout.ours / "scratch" if elsewhere is None else elsewhere / _NAME_ELSEWHERE


def _prepare(files: Files, place: Path, elsewhere: Path | None) -> None:
    """In the repository anybody who may read it may work; elsewhere, in /tmp perhaps, the folder must be our own."""
    if elsewhere is None:
        files.make_directories(place)
        return
    files.make_directories(elsewhere)
    files.own_directory(place)
    files.distrust(place, itself=True)


def _make(files: Files, place: Path) -> tuple[Path, int]:
    while True:
        folder = place / f"{os.getpid()}-{secrets.token_hex(4)}"
        try:
            files.make_directory(folder, 0o700)
            lock = files.lock(folder, shared=False, create=False)
        except FileMissing:
            # Another reader swept it, or took away the empty folder that it lay in, before it was locked.
            files.make_directories(place)
            continue
        if lock is None:
            continue
        if folder.exists():
            return folder, lock
        files.close(lock)


def _sweep(files: Files, place: Path) -> None:
    for name, is_directory in files.list_directory(place):
        if not is_directory:
            continue
        try:
            lock = files.lock(place / name, shared=False, create=False)
        except FileMissing:
            continue  # its owner has just removed it
        except NotPermitted:
            continue  # another user's: not ours to remove
        if lock is None:
            continue
        try:
            files.remove_tree(place / name)
        finally:
            files.close(lock)


def _remove_empty(files: Files, folder: Path) -> None:
    try:
        files.remove_directory(folder)
    except StorageError:
        pass  # another reader works in it, or it is the operator's to remove: nothing is lost
