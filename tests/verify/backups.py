"""Repositories to damage, ways to damage them, and a way to hide damage from checksums."""

from __future__ import annotations

import random
import shutil
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from tests.oracle.encode import LogWriter
from tests.oracle.log import LogEndError, LogReader
from walrus_fast.checksum import checksums_of, digest
from walrus_fast.files import Files
from walrus_fast.methods import TransferMode
from walrus_fast.operations.backup.create import CreateRequest, create_backup
from walrus_fast.repository.layout import Layout, restored_name
from walrus_fast.repository.manifest import decode_manifest, encode_manifest
from walrus_fast.repository.meta import MetaFile, decode_meta, encode_meta
from walrus_fast.rocksdb.names import FileKind, classify
from walrus_fast.snapshot.model import SnapshotRequest
from workload.driver import running_writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEED = 20251123


def back_up(database: Path, repository: Path, mode: TransferMode = TransferMode.COPY) -> int:
    """One backup, not synced; its id."""
    request = CreateRequest(SnapshotRequest(database), repository, mode=mode, sync=False)
    return create_backup(Files(), request).backup_id


def build_repository(folder: Path) -> Path:
    """Backups 1 and 2 share every table and blob file; 3 was taken after much more was written."""
    database, repository = folder / "db", folder / "repo"
    for steps, backups in ((700, 2), (4000, 1)):
        with running_writer(database, seed=SEED, memtable_size=128 << 10, resume=True) as writer:
            writer.advance(steps)
            writer.kill()
        for _ in range(backups):
            back_up(database, repository)
    return repository


def paths_of(repository: Path, backup_id: int) -> list[str]:
    """The files that a meta names."""
    return [file.path for file in decode_meta((repository / f"meta/{backup_id}").read_bytes(), backup_id).files]


def kind_of(path: str) -> FileKind:
    """What a file of a backup is."""
    return classify(restored_name(path, int(path.split("/")[1]) if path.startswith("private/") else 0) or "")[0]


def file_of_kind(repository: Path, backup_id: int, kind: str) -> str:
    """The largest file of that kind: `meta`, `manifest-of-ours`, or a `FileKind`."""
    if kind == "meta":
        return f"meta/{backup_id}"
    if kind == "ours":
        return f".walrus-fast/manifests/{backup_id}"
    fitting = [path for path in paths_of(repository, backup_id) if kind_of(path) == kind]
    assert fitting, f"backup {backup_id} has no {kind}"
    return max(fitting, key=lambda path: (repository / path).stat().st_size)


def flip_bit(path: Path, bit: int) -> None:
    """Turn one bit over, in place."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def _missing(path: Path, other: bytes) -> None:
    path.unlink()


def _truncated(path: Path, other: bytes) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _extended(path: Path, other: bytes) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def _flipped(path: Path, other: bytes) -> None:
    flip_bit(path, random.Random(path.name).randrange(path.stat().st_size * 8))


def _zeroed(path: Path, other: bytes) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _swapped(path: Path, other: bytes) -> None:
    path.write_bytes(other)


FAULTS: dict[str, Callable[[Path, bytes], None]] = {
    "missing": _missing,
    "truncated": _truncated,
    "extended": _extended,
    "flipped": _flipped,
    "zeroed": _zeroed,
    "swapped": _swapped,
}


def another_like(repository: Path, path: str, kind: str) -> bytes:
    """The contents of another file of the kind that differ; of any other small file where all are the same."""
    if kind in ("meta", "ours"):
        return (repository / path.replace("1", "3")).read_bytes()
    mine = (repository / path).read_bytes()
    others = [other for id_ in (1, 3) for other in paths_of(repository, id_) if kind_of(other) == kind]
    others += [file_of_kind(repository, 3, "manifest")]
    return next(data for other in others if (data := (repository / other).read_bytes()) != mine)


def damage(repository: Path, path: str, kind: str, fault: str) -> None:
    """Do it to one file."""
    FAULTS[fault](repository / path, another_like(repository, path, kind))


def reseal(repository: Path, backup_id: int, *, without: str = "") -> None:
    """Write meta and our manifest anew for what is there, so that no checksum shows what was done to the files."""
    layout = Layout(repository)
    meta = decode_meta(layout.meta_of(backup_id).read_bytes(), backup_id)
    manifest = decode_manifest(layout.manifest_of(backup_id).read_bytes(), "")
    kept = [file for file in manifest.files if file.path != without]
    stored = []
    for file in kept:
        data = (repository / file.path).read_bytes()
        crc, xxh3 = checksums_of(data)
        stored.append(msgspec.structs.replace(file, size=len(data), crc32c=crc, xxh3=xxh3))
    encoded = encode_meta(replace(meta, files=tuple(MetaFile(file.path, file.crc32c) for file in stored)))
    layout.meta_of(backup_id).write_bytes(encoded)
    sealed = msgspec.structs.replace(manifest, files=tuple(stored), meta_digest=digest(encoded))
    layout.manifest_of(backup_id).write_bytes(encode_manifest(sealed))


def rewrite_log(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the records of a MANIFEST, with right checksums."""
    writer = LogWriter()
    with suppress(LogEndError):
        for record in LogReader(path.read_bytes()).records():
            writer.add(change(record.payload))
    path.write_bytes(bytes(writer.data))


def copy_repository(source: Path, target: Path) -> Path:
    """A repository of its own, without links to the source."""
    shutil.copytree(source, target)
    return target
