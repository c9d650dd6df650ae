"""The tiers of a verification, one after the other, over all its backups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.operations.progress import JobProgress, Phase, observed
from walrus_fast.operations.proof.closure import check_closure
from walrus_fast.operations.proof.damage import Damage, catalog_damage, checksum_damage, with_sharers
from walrus_fast.operations.proof.prove import Candidate, open_backups
from walrus_fast.repository.scratch import scratch_folder
from walrus_fast.repository.verification import Tier
from walrus_fast.transfer.pool import TransferPool
from walrus_fast.transfer.task import TransferItem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from walrus_fast.files import Files
    from walrus_fast.operations.progress import Observer
    from walrus_fast.operations.proof.prove import Opening
    from walrus_fast.repository.catalog import Backup
    from walrus_fast.repository.layout import Layout
    from walrus_fast.tiers import Sample

__all__ = ["BackupVerdict", "TierChecks"]


@dataclass(frozen=True, slots=True)
class BackupVerdict:
    """What was found of one backup. No problems means that it is what was stored, as far as `tier` proves it.

    `tier` is the highest one that it passed. `families_left_out` could not be opened or read here, and why; that
    is no damage, and no proof either. `notes` are oddities that harm nothing. `rows` were read.
    """

    backup_id: int
    files: int
    bytes: int
    problems: tuple[str, ...]
    tier: Tier | None
    date: float
    damage: tuple[Damage, ...] = ()
    notes: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    families_left_out: dict[str, str] | None = None
    rows: int = 0
    files_read: int = 0
    bytes_read: int = 0


class TierChecks:
    """One run: what it has found so far, by backup. The methods are called in the order of the tiers.

    All of them raise StorageError, WorkerDied, and what `observer` raises; processes are ended first.
    """

    def __init__(
        self,
        files: Files,
        layout: Layout,
        backups: Sequence[Backup],
        sample: Sample,
        *,
        workers: int,
        observer: Observer,
        rate: Callable[[], int],
    ) -> None:
        self._files = files
        self._layout = layout
        self._backups = backups
        self._sample = sample
        self._workers = workers
        self._observer = observer
        self._rate = rate
        self._damage = {backup.backup_id: catalog_damage(backup) for backup in backups}
        self._notes = {backup.backup_id: _foreign_notes(backup) for backup in backups}
        self._candidates: list[Candidate] = []
        self._openings: dict[int, Opening] = {}
        self.read: dict[str, int] = {}

    def check_checksums(self) -> None:
        """Read every file once (of the sample), and compare it for each backup that uses it."""
        unique = {
            file.path: file
            for backup in self._backups
            for file in backup.files
            if file.size is not None and self._sample.includes(file.path)
        }
        root = self._layout.root
        items = [TransferItem(f"{root}/{path}", None, file.size or 0) for path, file in unique.items()]
        with TransferPool(self._files, workers=self._workers, rate=self._rate) as pool:
            answers = pool.survey(items, on_progress=observed(self._observer, Phase.VERIFYING))
        found = dict(zip(unique, answers, strict=True))
        self.read = {path: item.size for path, item in zip(unique, items, strict=True)}
        for backup in self._backups:
            # A wrong size says it all; the checksums of such a file cannot match either.
            known = {item.file for item in self._damage[backup.backup_id]}
            for file in backup.files:
                if file.path in found and file.path not in known:
                    self._note_damage(checksum_damage(backup.backup_id, file, found[file.path]))

    def _note_damage(self, damage: Damage | None) -> None:
        if damage is not None:
            self._damage[damage.backup_id].append(damage)

    def check_closure(self) -> None:
        """Compare each sound backup with its MANIFEST."""
        for backup in self._sound():
            self._observer(JobProgress(Phase.PROVING))
            closure = check_closure(self._files, self._layout, backup)
            self._damage[backup.backup_id] += closure.damage
            self._notes[backup.backup_id] += closure.notes
            if not closure.damage:
                self._candidates.append(Candidate(backup, closure))

    def open(self, *, rows: bool, scratch_dir: Path | None, stall_seconds: float) -> None:
        """Have RocksDB open, and read, each backup that is still sound."""
        total = sum(candidate.backup.size for candidate in self._candidates) if rows else 0

        def report(done: int) -> None:
            self._observer(JobProgress(Phase.PROVING, min(done, total), total, 0, len(self._candidates)))

        if not self._candidates:
            return
        with scratch_folder(self._files, self._layout, scratch_dir) as scratch:
            openings = open_backups(
                self._files,
                self._layout,
                scratch,
                self._candidates,
                rows=rows,
                workers=self._workers,
                rate=self._rate,
                on_progress=report,
                stall_seconds=stall_seconds,
            )
        for candidate, opening in zip(self._candidates, openings, strict=True):
            self._openings[candidate.backup.backup_id] = opening
            self._damage[candidate.backup.backup_id] += opening.damage

    def _sound(self) -> list[Backup]:
        return [backup for backup in self._backups if not self._damage[backup.backup_id]]

    def verdict(self, backup: Backup, asked: Tier, date: float, users: dict[str, tuple[int, ...]]) -> BackupVerdict:
        """What was found of a backup, in the order of the tiers."""
        id_ = backup.backup_id
        damage = sorted(with_sharers(self._damage[id_], users), key=lambda item: item.tier.rank)
        opening = self._openings.get(id_)
        read = [file for file in backup.files if file.path in self.read]
        return BackupVerdict(
            backup_id=id_,
            files=len(backup.files),
            bytes=backup.size,
            problems=tuple(item.text for item in damage),
            tier=_passed(asked, damage, opening),
            date=date,
            damage=tuple(damage),
            notes=tuple(self._notes[id_]),
            families=opening.families if opening else (),
            families_left_out=opening.left_out if opening else {},
            rows=opening.rows if opening else 0,
            files_read=len(read),
            bytes_read=sum(file.size or 0 for file in read),
        )


def _foreign_notes(backup: Backup) -> list[str]:
    if backup.manifest is not None or backup.is_damaged:
        return []
    return ["no manifest of ours: compared by RocksDB's crc32c alone, which `checkpoint adopt` mends"]


def _passed(asked: Tier, damage: Sequence[Damage], opening: Opening | None) -> Tier | None:
    """The highest tier below the first one that was failed or could not be done."""
    failed = min((item.tier.rank for item in damage), default=len(Tier))
    if opening is not None and not opening.opened:
        failed = min(failed, Tier.OPENED.rank)
    passed = [tier for tier in Tier if asked.reaches(tier) and tier.rank < failed]
    return passed[-1] if passed else None
