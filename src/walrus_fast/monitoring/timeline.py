"""Where each backup stands on the page's time line: its age across, how much is proven of it upwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walrus_fast.protocol.jobs import BackupSummary

__all__ = ["LEVELS", "Mark", "Timeline", "level_of", "timeline_of"]

LEVELS = ("rows", "opened", "checksums", "sizes", "none")  # from the top
_LEVEL = {
    None: "none",
    Tier.LISTED: "none",
    Tier.SIZES: "sizes",
    Tier.CHECKSUMS: "checksums",
    Tier.CLOSURE: "checksums",
    Tier.OPENED: "opened",
    Tier.ROWS: "rows",
}
_MARGIN = 3.0  # percent on either side
_MOST = 400  # marks; of more, the newest
_SHORTEST = 60.0  # seconds between the ends


@dataclass(frozen=True, slots=True)
class Mark:
    """A backup; `x` and `y` in percent of the plot."""

    backup: BackupSummary
    x: float
    y: float
    level: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """`lines` are the heights of the levels, in percent; `ticks` are dates along the axis, in seconds since 1970."""

    marks: tuple[Mark, ...]
    lines: tuple[tuple[str, float], ...]
    ticks: tuple[float, ...]


def level_of(backup: BackupSummary) -> str:
    """How much is proven, in the page's five words."""
    return _LEVEL[backup.proof.reached if backup.proof else None]


def timeline_of(backups: Sequence[BackupSummary], now: float) -> Timeline:
    """The newest backups between the oldest of them and now. A date from the future stands at the end."""
    shown = backups[-_MOST:]
    height = dict(zip(LEVELS, (12.0, 31.0, 50.0, 69.0, 88.0), strict=True))
    # An unreadable backup has no date: it stands where the axis begins.
    begin = min((float(backup.created) for backup in shown if backup.created > 0), default=now)
    begin = min(begin, now - _SHORTEST)
    marks = []
    for backup in shown:
        share = (min(max(float(backup.created), begin), now) - begin) / (now - begin)
        level = level_of(backup)
        marks.append(Mark(backup, _MARGIN + share * (100 - 2 * _MARGIN), height[level], level))
    return Timeline(tuple(marks), tuple(height.items()), (begin, (begin + now) / 2, now))
