"""Is a folder what it was? Every name, inode, mode, time and byte; not the link count, which pins change."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Where `verify` writes down, in a repository, what it found and how often it ran: the one thing that it may write.
RECORDS = frozenset({"verified", "runs"})


def fingerprint(folder: Path) -> dict[str, tuple[object, ...]]:
    """What identifies each entry below `folder`, itself included."""
    found: dict[str, tuple[object, ...]] = {".": _entry(folder)} if os.path.lexists(folder) else {}
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            if RECORDS & set(path.parts):
                continue
            found[str(path.relative_to(folder))] = _entry(path)
    return found


def _entry(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    identity: tuple[object, ...] = (stat.filemode(found.st_mode), found.st_ino, found.st_uid, found.st_gid)
    if path.is_symlink():
        return (*identity, str(path.readlink()))
    if stat.S_ISREG(found.st_mode):
        return (*identity, found.st_size, found.st_mtime_ns, hashlib.blake2b(path.read_bytes()).digest())
    return identity


@contextmanager
def untouched(*folders: Path) -> Iterator[None]:
    """Assert that the block changes nothing in these folders; one that is not there must not appear."""
    before = [fingerprint(folder) for folder in folders]
    yield
    for folder, known in zip(folders, before, strict=True):
        now = fingerprint(folder)
        changed = sorted(name for name in known.keys() | now.keys() if known.get(name) != now.get(name))
        assert not changed, f"changed in {folder}: {changed[:10]}"


def is_clean(repository: Path, database: Path | None = None) -> None:
    """Assert that no job left anything: staging, shared files without a backup, private folders, siblings."""
    staging = repository / ".walrus-fast" / "staging"
    assert not staging.exists() or not list(staging.iterdir()), list(staging.iterdir())
    ids = {path.name for path in (repository / "meta").iterdir()}
    assert {path.name for path in (repository / "private").iterdir()} <= ids
    manifests = repository / ".walrus-fast" / "manifests"
    assert not manifests.exists() or {path.name for path in manifests.iterdir()} <= ids
    named = {
        line.split(" ")[0].removeprefix("shared_checksum/")
        for path in (repository / "meta").iterdir()
        for line in path.read_text().splitlines()
        if line.startswith("shared_checksum/")
    }
    assert {path.name for path in (repository / "shared_checksum").iterdir()} <= named
    if database is not None:
        assert not siblings(database)


def siblings(database: Path) -> list[str]:
    """Hidden folders of ours beside a database."""
    return sorted(path.name for path in database.parent.glob(f".{database.name}.walrus-fast-*"))
