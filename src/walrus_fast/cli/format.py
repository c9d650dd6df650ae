"""A backup as the commands show it. Numbers and times are `walrus_fast.wording`'s, which the server shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.wording import describe_backup, format_bytes, format_duration, format_time

if TYPE_CHECKING:
    from walrus_fast.protocol.jobs import BackupProof
    from walrus_fast.repository.catalog import Backup

__all__ = ["backup_line", "format_bytes", "format_duration", "format_time", "proof_line"]


def backup_line(backup: Backup) -> str:
    """The line of the guide; a damaged backup says so at its end."""
    return describe_backup(backup.backup_id, backup.size, len(backup.files), backup.timestamp, backup.problems)


def proof_line(proof: BackupProof | None) -> str:
    """What is proven of a backup, and when."""
    if proof is None:
        return "never verified"
    if proof.damaged is not None:
        line = f"found DAMAGED at {format_time(proof.damaged)}: {proof.problems[0]}"
    elif proof.tier is not None and proof.date is not None:
        line = f"verified up to {proof.tier} at {format_time(proof.date)}"
    else:
        line = "verified in samples only"
    if proof.checked is not None and proof.parts > 1 and proof.damaged is None:
        line += f", part {proof.part + 1} of {proof.parts} read at {format_time(proof.checked)}"
    if proof.drilled is not None and proof.drill_problems:
        line += f", restore drill FAILED at {format_time(proof.drilled)}"
    elif proof.restorable is not None:
        line += f", restored in a drill at {format_time(proof.restorable)}"
    else:
        line += ", never restored in a drill"
    return line
