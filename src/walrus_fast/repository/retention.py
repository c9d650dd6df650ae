"""Which backups retention removes. Pure: decides, touches nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["Candidate", "Verdict", "choose_removals"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A backup; `is_good` is what a look at names and sizes can tell."""

    backup_id: int
    is_good: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Ids in order. `pinned` are those among `kept` that only their pin keeps."""

    removed: tuple[int, ...]
    kept: tuple[int, ...]
    pinned: tuple[int, ...]


def choose_removals(backups: Iterable[Candidate], *, keep: int, pinned: Collection[int]) -> Verdict:
    """Keep the newest `keep` good backups and all pinned ones; 0 keeps everything.

    Newer is what has the higher id, so a clock that was set back decides nothing. Pinned backups do not count
    among the `keep`. With fewer good backups than that, nothing is removed: damaged ones may be all there is. A
    damaged backup goes only when it is older than every one of the `keep`.
    """
    ordered = sorted(backups, key=lambda backup: backup.backup_id)
    good = [backup.backup_id for backup in ordered if backup.is_good and backup.backup_id not in pinned]
    if keep <= 0 or len(good) < keep:
        return Verdict((), tuple(backup.backup_id for backup in ordered), ())
    oldest_kept = good[-keep]
    older = [backup.backup_id for backup in ordered if backup.backup_id < oldest_kept]
    return Verdict(
        removed=tuple(id_ for id_ in older if id_ not in pinned),
        kept=tuple(b.backup_id for b in ordered if b.backup_id >= oldest_kept or b.backup_id in pinned),
        pinned=tuple(id_ for id_ in older if id_ in pinned),
    )
