"""Putting a backup into the repository, in the order that makes a crash at any point harmless.

Must: `meta/<id>` appears only once everything that it names is in place and durable. So: shared files and the
private folder are moved into place; they, our manifest and the meta, still in staging, are synced in one batch; our
manifest is moved into place and all folders are synced in one batch; last the rename of `meta/<id>`, made durable by
a sync of `meta/`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import msgspec

from walrus_fast.checksum import digest
from walrus_fast.durable import undone_by, write_file
from walrus_fast.errors import BackupDamaged, RepositoryBusy, RepositoryUnusable, storage_error
from walrus_fast.files import HERE
from walrus_fast.repository.catalog import LARGEST_ID, backup_ids
from walrus_fast.repository.manifest import BackupManifest, encode_manifest
from walrus_fast.repository.meta import BackupMeta, encode_meta
from walrus_fast.repository.staging import referenced_files, remove_shared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.repository.layout import Layout

__all__ = ["Placement", "commit_backup", "next_backup_id"]


class Placement(msgspec.Struct, frozen=True, gc=False):
    """A finished file in staging and its name in `shared_checksum/`."""

    staged: str
    name: str


def next_backup_id(files: Files, layout: Layout) -> int:
    """One above every id in use, damaged backups and leftover private folders included.

    Raises: RepositoryUnusable when there is none left, StorageError.
    """
    private = [int(name) for name, _ in files.list_directory(layout.private) if name.isascii() and name.isdigit()]
    used = max([0, *backup_ids(files, layout), *(id_ for id_ in private if id_ <= LARGEST_ID)])
    if used == LARGEST_ID:
        raise RepositoryUnusable(
            f"{layout.root} has a backup {used}, and no id is higher", hint="Begin a new repository."
        )
    return used + 1


def commit_backup(
    files: Files,
    layout: Layout,
    staging: Path,
    *,
    backup_id: int,
    shared: list[Placement],
    reused: Sequence[str],
    private: Path,
    meta: BackupMeta,
    manifest: Callable[[bytes], BackupManifest],
    sync: bool,
) -> None:
    """Make the backup exist. `private` is the staged folder that becomes `private/<id>`; `manifest` is called with
    the digest of the meta file. `reused` are names of shared files that were there and perhaps never synced.

    Raises: RepositoryBusy (the id was taken), StorageError; then no backup was added, and what was moved already is
    removed again, or swept by the next writer where even that fails.
    """
    meta_bytes = encode_meta(meta)
    new_meta, new_manifest = staging / "meta.new", staging / "manifest.new"
    own, shared_folder = layout.private_of(backup_id), layout.shared
    private_files = [name for name, _ in files.list_directory(private)]
    _refuse_taken(files, layout, backup_id)
    with undone_by(lambda: _withdraw(files, layout, backup_id, shared)):
        write_file(files, new_meta, meta_bytes, sync=False)
        write_file(files, new_manifest, encode_manifest(manifest(digest(meta_bytes))), sync=False)
        _place_shared(files, layout, shared)
        files.rename(private, own)
        if sync:
            # What can wait for the disk together does: a backup of few files takes as long as it waits in turn.
            arrived = [f"{own}/{name}" for name in private_files]
            arrived += [f"{shared_folder}/{placement.name}" for placement in shared]
            arrived += [f"{shared_folder}/{name}" for name in reused]
            files.sync_all([str(new_meta), str(new_manifest), *arrived])
        files.rename(new_manifest, layout.manifest_of(backup_id))
        if sync:
            folders = (own, layout.private, layout.shared, layout.manifests)
            files.sync_all([str(folder) for folder in folders])
        files.rename(new_meta, layout.meta_of(backup_id))
        if sync:
            files.sync_directory(layout.meta)


def _refuse_taken(files: Files, layout: Layout, backup_id: int) -> None:
    """RocksDB's own tools do not know our lock: one of them may have taken the number while we worked."""
    if backup_id in backup_ids(files, layout) or files.is_directory(layout.private_of(backup_id)):
        raise RepositoryBusy(
            f"another program has made, or is making, backup {backup_id} in {layout.root}",
            hint="Let only one program at a time write into a repository; walrus-fast's lock binds nobody else.",
        )


def _place_shared(files: Files, layout: Layout, shared: list[Placement]) -> None:
    target = files.open_directory(layout.shared)
    try:
        names = [placement.name for placement in shared]
        staged = [placement.staged for placement in shared]
        for placement, number in zip(shared, files.rename_many(HERE, staged, target, names), strict=True):
            if number == errno.EEXIST:
                # Unreferenced, or of the wrong size: `create` reuses every sound one. Ours takes its place.
                files.rename(placement.staged, layout.shared / placement.name)
            elif number:
                raise storage_error(number, "rename", placement.staged)
    finally:
        files.close(target)


def _withdraw(files: Files, layout: Layout, backup_id: int, shared: list[Placement]) -> None:
    if backup_id in backup_ids(files, layout):
        return  # only the last sync failed: the backup is whole and listed, its durability alone is unknown
    files.unlink(layout.manifest_of(backup_id), missing_ok=True)
    files.remove_tree(layout.private_of(backup_id))
    try:
        keep = referenced_files(files, layout)
    except BackupDamaged:
        return  # what others need is not known; the names stay and the next backup takes them over
    remove_shared(files, layout, [p.name for p in shared if f"shared_checksum/{p.name}" not in keep])
