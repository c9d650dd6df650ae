"""A backup as the commands show it. Numbers and times are `walrus_fast.wording`'s, which the server shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.wording import describe_backup, format_bytes, format_duration, format_time

if TYPE_CHECKING:
    from walrus_fast.repository.catalog import Backup

__all__ = ["backup_line", "format_bytes", "format_duration", "format_time"]


def backup_line(backup: Backup) -> str:
    """The line of the guide; a damaged backup says so at its end."""
    return describe_backup(backup.backup_id, backup.size, len(backup.files), backup.timestamp, backup.problems)
