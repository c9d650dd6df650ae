"""What runs that died have left, and what restores have kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.doctor.finding import fail, ok, warn
from walrus_fast.doctor.trial import TRIAL_PREFIX
from walrus_fast.errors import StorageError
from walrus_fast.exchange.folder import previous_databases
from walrus_fast.rocksdb.ownership import owner_pid
from walrus_fast.snapshot.pin_folder import default_pin_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from walrus_fast.doctor.finding import Finding
    from walrus_fast.doctor.subject import Subject
    from walrus_fast.files import Files

__all__ = ["check_kept", "check_leftovers", "check_owner"]


def check_leftovers(subject: Subject) -> Iterator[Finding]:
    """Pins, stagings, scratch folders and restores of processes that are gone. Those of running ones are locked."""
    files, found = subject.files, False
    places: list[tuple[Path, str]] = []
    if subject.database is not None:
        pins = subject.places.pin_dir or default_pin_directory(subject.database)
        places += [(path, "the next backup removes it") for path in _unlocked(files, pins)]
        places += [(path, "remove it") for path in _trials(subject, subject.database.parent)]
    if subject.repository is not None and subject.has_repository:
        if _is_free(files, subject.layout.lock):
            places += [(path, "the next backup removes it") for path in _in(subject.layout.staging)]
        places += [
            (path, "the next verification or drill removes it")
            for path in _unlocked(files, subject.layout.ours / "scratch")
        ]
        places += [(path, "remove it") for path in _trials(subject, subject.repository)]
    for path, what in places:
        found = True
        yield warn("leftovers", f"{path} is left of a run that died", f"Harmless; {what}.")
    if subject.database is not None:
        for restore in _restores(subject.database):
            if not _is_free(files, restore):
                continue
            found = True
            if (restore / "exchange.json").exists():
                yield fail(
                    "leftovers",
                    f"a restore was interrupted in the middle of its exchange ({restore})",
                    "Do not start the node. Run the same `restore` again: it finishes the exchange or takes it back.",
                )
            else:
                yield warn(
                    "leftovers", f"{restore} is left of a restore that died", "The next restore reuses or removes it."
                )
    if not found:
        yield ok("leftovers", "no run that died has left anything")


def check_kept(subject: Subject) -> Iterator[Finding]:
    """Databases that restores keep until they are told otherwise."""
    if subject.database is None or not subject.database.parent.is_dir():
        return
    kept = previous_databases(subject.files, subject.database)
    if kept:
        yield warn(
            "kept-databases",
            f"restores have kept {len(kept)} former databases, the oldest in {kept[0]}",
            f"`restore --db-path {subject.database} --discard-previous` deletes them, once you are sure.",
        )


def check_owner(subject: Subject) -> Iterator[Finding]:
    """Who has the database open."""
    if not subject.has_database or subject.database is None:
        return
    pid = owner_pid(subject.files, subject.database)
    if pid is None:
        yield ok("owner", "nobody has the database open")
    else:
        who = f"process {pid}" if pid else "a process in another container"
        yield ok("owner", f"{who} has the database open; backups do not disturb it, a restore wants it stopped")


def _in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _trials(subject: Subject, folder: Path) -> list[Path]:
    return [folder / name for name in sorted(subject.names_in(folder)) if name.startswith(TRIAL_PREFIX)]


def _unlocked(files: Files, folder: Path) -> list[Path]:
    return [path for path in _in(folder) if path.is_dir() and _is_free(files, path)]


def _restores(database: Path) -> list[Path]:
    places = (database.parent / f".{database.name}.walrus-fast-restore", database / ".walrus-fast-restore")
    return [place for place in places if place.is_dir()]


def _is_free(files: Files, path: Path) -> bool:
    """Whether nobody holds the lock on it; looking takes it for a moment, shared, which stops no reader."""
    try:
        fd = files.lock(path, shared=True, create=False)
    except StorageError:
        return False  # gone meanwhile, or not ours to open: nothing is known to be left
    if fd is None:
        return False
    files.close(fd)
    return True
