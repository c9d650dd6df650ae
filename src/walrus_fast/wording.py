"""Numbers and times as people read them. Sizes and times are those of the original's list, to the letter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["describe_backup", "format_age", "format_bytes", "format_duration", "format_time"]


def format_bytes(size: float) -> str:
    """`999 B`, `1.0 KB`, `85.9 GB`: decimal units, one digit, as the original prints them."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("KB", "MB", "GB", "TB", "PB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} EB"


def format_time(timestamp: float) -> str:
    """`2025-07-02T00:25:48Z`; `Unknown` for 0, as the original prints it."""
    if timestamp <= 0:
        return "Unknown"
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{timestamp:.0f} (invalid timestamp)"


def format_duration(seconds: float) -> str:
    """`3.4 ms`, `12.3 s`, `4 min 05 s`, `2 h 03 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def format_age(seconds: float) -> str:
    """`45 s`, `12 min`, `2 h 03 min`, `3 d 4 h`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 48 * 3600:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60:02d} min" if whole % 3600 >= 60 else "")
    return f"{whole // 86400} d" + (f" {whole % 86400 // 3600} h" if whole % 86400 >= 3600 else "")


def describe_backup(backup_id: int, size: int, files: int, timestamp: float, problems: Sequence[str]) -> str:
    """The line of the guide; a damaged backup says so at its end."""
    line = f"Backup ID: {backup_id}, Size: {format_bytes(size)}, Files: {files}, Created: {format_time(timestamp)}"
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        line += f", DAMAGED: {problems[0]}{more}"
    return line
