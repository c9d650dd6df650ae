"""One database and its repository, and what must hold of them after any fault."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.files import Files
from walrus_fast.operations.backup.create import CreateReport, CreateRequest, create_backup
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.repository.catalog import backup_ids
from walrus_fast.repository.layout import Layout
from walrus_fast.repository.staging import referenced_files
from walrus_fast.snapshot.model import SnapshotRequest

if TYPE_CHECKING:
    from pathlib import Path

    from walrus_fast.methods import TransferMode


@dataclass(frozen=True)
class Stage:
    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "db"

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def ids(self) -> list[int]:
        return backup_ids(Files(), Layout(self.repository))

    def copy_to(self, folder: Path) -> Stage:
        """A fresh copy in `folder`; hard links between repository and database are kept."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder, symlinks=True)
        return Stage(folder)

    def create(self, files: Files, mode: TransferMode) -> CreateReport:
        return create_backup(files, CreateRequest(SnapshotRequest(self.database), self.repository, mode=mode))

    def assert_every_listed_backup_is_whole(self) -> None:
        report = verify_backups(Files(), self.repository)
        assert [verdict.problems for verdict in report.backups] == [()] * len(report.backups)

    def assert_nothing_is_left_over(self, *, kept: tuple[str, ...] = ()) -> None:
        """`kept` are beginnings of names that may lie beside the database."""
        layout = Layout(self.repository)
        assert list(layout.staging.iterdir()) == []
        ids = {str(backup_id) for backup_id in self.ids}
        assert {path.name for path in layout.private.iterdir()} == ids
        assert {path.name for path in layout.manifests.iterdir()} == ids
        assert {path.name for path in layout.meta.iterdir()} == ids
        named = {path for path in referenced_files(Files(), layout) if path.startswith("shared_checksum/")}
        assert {f"shared_checksum/{path.name}" for path in layout.shared.iterdir()} == named
        assert not (layout.ours / "scratch").exists()
        beside = {path.name for path in self.folder.iterdir() if not path.name.startswith(kept or "/")}
        assert beside == {"db", "repository"}
