"""The page: a template, its style and its script, all in one answer. The template escapes whatever it is given."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from walrus_fast.monitoring.timeline import level_of, timeline_of
from walrus_fast.monitoring.verdict import Level, in_words
from walrus_fast.tiers import Tier
from walrus_fast.wording import format_bytes, format_time

if TYPE_CHECKING:
    from walrus_fast.monitoring.status import RunningJob, Status
    from walrus_fast.protocol.jobs import BackupSummary

__all__ = ["StatusPage"]

_SHOWN = 50  # rows of the table; of more, the newest
_LONGEST = 300  # characters of a problem
_HEADLINES = {
    Level.GOOD: "All is well",
    Level.NOTE: "All is well",
    Level.WARNING: "Needs a look",
    Level.BAD: "Needs you now",
}
_DEEDS = {
    "create": "Backing up",
    "verify": "Verifying",
    "drill": "Rehearsing a restore",
    "delete": "Deleting",
    "prune": "Removing old backups",
}


class StatusPage:
    """Reads its files once, when it is made; `render` reads none."""

    def __init__(self) -> None:
        folder = resources.files("walrus_fast.monitoring") / "page"
        # Our own files and nobody's input: what is not to be escaped.
        self._css = Markup((folder / "status.css").read_text("utf-8"))
        self._script = Markup((folder / "status.js").read_text("utf-8"))
        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters |= {
            "bytes": format_bytes,
            "moment": format_time,
            "day": lambda date: _format(date, "%d %b %H:%M"),
            "date": lambda date: _format(date, "%d %b %Y, %H:%M"),
            "span": in_words,
            "headline": _HEADLINES.__getitem__,
            "deed": lambda kind: _DEEDS.get(kind, kind),
            "level": level_of,
            "proof": _proof,
            "percent": _percent,
            "short": lambda text: text[:_LONGEST],
        }
        self._template = environment.from_string((folder / "status.html").read_text("utf-8"))

    @property
    def policy(self) -> str:
        """The Content-Security-Policy: our style, our script, our own answers, and nothing else."""
        return (
            f"default-src 'none'; style-src {_hash(self._css)}; script-src {_hash(self._script)}; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def render(self, status: Status) -> bytes:
        """The page, UTF-8. Names that are no Unicode (a path of other bytes) are shown with question marks."""
        newest = max(
            (backup for backup in status.backups if not backup.is_damaged),
            key=lambda backup: (backup.created, backup.backup_id),
            default=None,
        )
        text = self._template.render(
            status=status,
            css=self._css,
            script=self._script,
            newest=newest,
            shown=_SHOWN,
            timeline=timeline_of(status.backups, status.now),
            verified=_verified(status),
            due=min((one.due for one in status.schedules if one.due is not None), default=None),
        )
        return text.encode("utf-8", "replace")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _format(date: float, pattern: str) -> str:
    try:
        return datetime.fromtimestamp(date, UTC).strftime(pattern)
    except (OverflowError, ValueError, OSError):
        return format_time(date)  # a date that a damaged or hostile file made up


def _verified(status: Status) -> list[tuple[str, float]]:
    """The tiers worth a line: of those that one verification reached together, the highest."""
    lines: list[tuple[str, float]] = []
    for tier in reversed(Tier):
        date = status.verified.get(tier.value)
        if date is not None and tier.reaches(Tier.SIZES) and (not lines or date > lines[-1][1]):
            lines.append((tier.value, date))
    return lines


def _proof(backup: BackupSummary) -> str:
    """In a chip: the tier, and how much of the next one the samples have covered."""
    proof = backup.proof
    if proof is None or proof.reached is None:
        return "not proven"
    if 0 < proof.sampled < proof.parts and not proof.reached.reaches(Tier.CHECKSUMS):
        return f"checksums {proof.sampled}/{proof.parts}"
    return proof.reached.value


def _percent(running: RunningJob) -> float:
    return min(100.0, 100 * running.job.bytes_done / max(1, running.job.bytes_total))
