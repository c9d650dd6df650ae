"""What is wrong with a backup, so that nobody has to guess: which file, what was expected, what is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from walrus_fast.repository.verification import Tier
from walrus_fast.transfer.task import FailedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from walrus_fast.repository.catalog import Backup, BackupFile
    from walrus_fast.transfer.task import TransferredFile

__all__ = ["Damage", "catalog_damage", "checksum_damage", "checksum_problem", "named_in", "with_sharers"]


@dataclass(frozen=True, slots=True)
class Damage:
    """One finding. `problem` is the sentence for people; `file` is a path in the repository ("" for the whole
    backup); `tier` is the one that it fails; `shared_with` are the other backups that use the file."""

    backup_id: int
    tier: Tier
    file: str
    problem: str
    expected: str = ""
    found: str = ""
    shared_with: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The sentence, and who else is hit."""
        if not self.shared_with:
            return self.problem
        others = ", ".join(map(str, self.shared_with))
        if len(self.shared_with) > 1:
            return f"{self.problem} (backups {others} share it)"
        return f"{self.problem} (backup {others} shares it)"


def catalog_damage(backup: Backup) -> list[Damage]:
    """What the look at names and sizes has found."""
    files = {file.path: file for file in backup.files}
    return [_of_problem(backup, problem, files) for problem in backup.problems]


def _of_problem(backup: Backup, problem: str, files: Mapping[str, BackupFile]) -> Damage:
    path = problem.split(" ", 1)[0]
    file = files.get(path)
    if file is None:
        of_ours = path.startswith(("meta/", "manifests/", "private/"))
        return Damage(backup.backup_id, Tier.LISTED, path if of_ours else f"meta/{backup.backup_id}", problem)
    expected = _expected_size(file)
    if file.size is None:
        return Damage(backup.backup_id, Tier.SIZES, path, problem, expected, "nothing")
    if " bytes" in problem:
        return Damage(backup.backup_id, Tier.SIZES, path, problem, expected, f"{file.size} bytes")
    return Damage(backup.backup_id, Tier.LISTED, path, problem)


def _expected_size(file: BackupFile) -> str:
    if file.expected_size is not None:
        return f"{file.expected_size} bytes"
    size = file.path.rsplit(".", 1)[0].rpartition("_")[2]
    return f"{size} bytes" if file.path.startswith("shared") and size.isdigit() else "a file"


def checksum_problem(file: BackupFile, answer: TransferredFile | FailedFile) -> str | None:
    """What is wrong with a file that was read, in words; None when it is what was stored."""
    found = _compare(file, answer)
    return found[0] if found else None


def checksum_damage(backup_id: int, file: BackupFile, answer: TransferredFile | FailedFile) -> Damage | None:
    """The finding about a file that was read; None when it is what was stored."""
    found = _compare(file, answer)
    return Damage(backup_id, Tier.CHECKSUMS, file.path, *found) if found else None


def _compare(file: BackupFile, answer: TransferredFile | FailedFile) -> tuple[str, str, str] | None:
    """(sentence, expected, found)"""
    if isinstance(answer, FailedFile):
        return f"{file.path} cannot be read: {answer.message}", "a readable file", answer.message
    for name, expected, found in (
        ("crc32c", None if file.crc32c is None else f"{file.crc32c:#010x}", f"{answer.crc32c:#010x}"),
        ("xxh3", file.xxh3.hex() if file.xxh3 else None, answer.xxh3.hex()),
    ):
        if expected is not None and expected != found:
            return (
                f"{file.path} has {name} {found} instead of {expected}",
                f"{name} {expected}",
                f"{name} {found}",
            )
    return None


def named_in(backups: Iterable[Backup]) -> dict[str, tuple[int, ...]]:
    """The backups that use each file, by path."""
    users: dict[str, list[int]] = {}
    for backup in backups:
        for file in backup.files:
            users.setdefault(file.path, []).append(backup.backup_id)
    return {path: tuple(ids) for path, ids in users.items()}


def with_sharers(found: Sequence[Damage], users: Mapping[str, tuple[int, ...]]) -> list[Damage]:
    """The findings with the other backups that use each file."""
    return [
        replace(item, shared_with=tuple(id_ for id_ in users.get(item.file, ()) if id_ != item.backup_id))
        for item in found
    ]
