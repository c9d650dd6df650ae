"""Brings the files of a backup in: from the repository, or, after a check, from what is there already."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from walrus_fast.durable import write_file
from walrus_fast.errors import BackupDamaged, DiskFull, StorageError
from walrus_fast.methods import Method, TransferMode
from walrus_fast.operations.progress import Phase, observed
from walrus_fast.operations.proof.damage import checksum_problem
from walrus_fast.rocksdb.names import FileKind, classify
from walrus_fast.transfer.task import TransferItem

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.exchange.folder import RestoreFolder
    from walrus_fast.files import Files, FileStat
    from walrus_fast.operations.progress import Observer
    from walrus_fast.repository.catalog import Backup, BackupFile
    from walrus_fast.repository.layout import Layout
    from walrus_fast.transfer.pool import TransferPool

__all__ = ["RESTORE_METHODS", "RestoreTransfer", "find_reusable"]

# Clones first: bytes that the node's database shares with no other name. Links where there are none.
RESTORE_METHODS = {
    TransferMode.AUTO: (Method.REFLINK, Method.LINK, Method.COPY),
    TransferMode.HARDLINK: (Method.LINK,),
    TransferMode.REFLINK: (Method.REFLINK,),
    TransferMode.COPY: (Method.COPY,),
}


class RestoreTransfer:
    """One restore's files. `run` is called once, then `finish`."""

    def __init__(
        self,
        files: Files,
        layout: Layout,
        backup: Backup,
        folder: RestoreFolder,
        *,
        mode: TransferMode,
    ) -> None:
        self._files = files
        self._layout = layout
        self._backup = backup
        self._folder = folder
        self._incoming = str(folder.incoming)
        self._mode = mode
        self.bytes_written = 0
        self.bytes_reused = 0

    def run(self, pool: TransferPool, observer: Observer) -> None:
        """Transfer and compare every file.

        Raises: BackupDamaged for the first file that is not what was stored, DiskFull before anything is copied,
        StorageError, WorkerDied, and what `observer` raises.
        """
        report = observed(observer, Phase.TRANSFERRING)
        sources = [self._folder.partial, self._folder.target]
        reusable = find_reusable(self._files, self._layout, self._backup, sources, mode=self._mode)
        rest = [file for file in self._backup.files if file.path not in reusable]
        rest += self._reuse(pool, reusable, observer)
        items = [self._item(file) for file in rest]
        self._check_room(items)
        answers = pool.run(items, sync=True, on_progress=report)
        for file, answer in zip(rest, answers, strict=True):
            if problem := checksum_problem(file, answer):
                raise BackupDamaged(f"backup {self._backup.backup_id} cannot be restored: {problem}")
        self.bytes_written += sum(answer.size for answer in answers if answer.method is Method.COPY)

    def _reuse(self, pool: TransferPool, reusable: dict[str, Path], observer: Observer) -> list[BackupFile]:
        """Take what is intact; returns the files that turned out not to be."""
        wanted = [file for file in self._backup.files if file.path in reusable]
        methods = (Method.LINK, Method.REFLINK, Method.COPY)
        items = [
            TransferItem(str(reusable[file.path]), str(self._folder.incoming / file.name), file.size or 0, methods)
            for file in wanted
        ]
        answers = pool.survey(items, on_progress=observed(observer, Phase.VERIFYING)) if items else []
        refused = []
        for file, answer in zip(wanted, answers, strict=True):
            if checksum_problem(file, answer):
                self._files.unlink(self._folder.incoming / file.name, missing_ok=True)
                refused.append(file)
            else:
                self.bytes_reused += file.size or 0
        return refused

    def _item(self, file: BackupFile) -> TransferItem:
        source, into, methods = f"{self._layout.root}/{file.path}", self._incoming, RESTORE_METHODS[self._mode]
        if file.path.startswith("private/"):
            # RocksDB goes on writing WALs and may append to a MANIFEST: they are never shared with the backup.
            methods = (Method.COPY,)
            if self._folder.incoming_wals is not None and classify(file.name)[0] is FileKind.WAL:
                into = str(self._folder.incoming_wals)
        return TransferItem(source, f"{into}/{file.name}", file.size or 0, methods)

    def _check_room(self, items: list[TransferItem]) -> None:
        # Elsewhere nothing can be shared: the files that would rather be cloned or linked are copied too.
        shares = self._files.device_of(self._folder.incoming) == self._files.device_of(self._layout.root)
        needed = sum(item.size for item in items if item.methods[0] is Method.COPY or not shares)
        free = self._files.free_bytes(self._folder.incoming)
        if needed > free:
            raise DiskFull(f"the restore needs {needed} bytes beside {self._folder.target} and {free} are free")

    def finish(self) -> None:
        """Give what was brought in the owner of what it replaces, and make it durable. Raises: StorageError."""
        manifest = self._backup.manifest
        if manifest is not None and manifest.database_id:
            # A backup holds no IDENTITY. Without it, RocksDB would give the database a new id where the MANIFEST
            # has none, and the next restore would take it for another node's.
            identity = self._folder.incoming / "IDENTITY"
            write_file(self._files, identity, manifest.database_id.encode(), sync=False)
        like = self._folder.target if self._folder.target.exists() else self._folder.target.parent
        for directory in (self._folder.incoming, self._folder.incoming_wals):
            if directory is not None:
                _copy_ownership(self._files, like, directory)
                self._files.sync_all([f"{directory}/{name}" for name, _ in self._files.list_directory(directory)])
                self._files.sync_directory(directory)
        if self._folder.target.exists():
            self._files.change_mode(self._folder.incoming, like.stat().st_mode & 0o7777)


def find_reusable(
    files: Files, layout: Layout, backup: Backup, sources: list[Path], *, mode: TransferMode
) -> dict[str, Path]:
    """Table and blob files that seem to be there already: path in the backup to local file, not yet compared.

    Only where it saves moving bytes: not when the repository's own file can be linked or cloned, and not when the
    local file is another name of the repository's.
    """
    try:
        local_device = files.device_of(sources[-1] if sources[-1].exists() else sources[-1].parent)
    except StorageError:
        return {}  # the target cannot be looked at: everything comes from the repository
    if mode is not TransferMode.COPY and local_device == files.device_of(layout.root):
        return {}
    found: dict[str, Path] = {}
    for file in backup.files:
        if file.path.startswith("private/") or file.crc32c is None or file.size is None:
            continue
        for source in sources:
            stat = _stat_if_there(files, source / file.name)
            if stat is not None and stat.size == file.size and not _same_file(files, stat, layout.root / file.path):
                found[file.path] = source / file.name
                break
    return found


def _stat_if_there(files: Files, path: Path) -> FileStat | None:
    try:
        return files.stat(path)
    except StorageError:
        return None  # not there, or not a file: then it cannot be reused


def _same_file(files: Files, stat: FileStat, other: Path) -> bool:
    twin = _stat_if_there(files, other)
    return twin is not None and (twin.device, twin.inode) == (stat.device, stat.inode)


def _copy_ownership(files: Files, like: Path, directory: Path) -> None:
    """Give a new folder and the files copied into it the owner of what they replace.

    Linked files are the backup's own and keep theirs. Only root can and need do this.
    """
    if os.geteuid() != 0:
        return
    owner = like.stat()
    files.give_to(directory, owner.st_uid, owner.st_gid)
