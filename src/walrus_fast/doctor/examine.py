"""Runs every check, each by itself: one that cannot look does not keep the others from looking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.doctor.clock import check_clock
from walrus_fast.doctor.disks import check_disks, check_file_systems, check_links
from walrus_fast.doctor.endpoint import check_socket
from walrus_fast.doctor.finding import warn
from walrus_fast.doctor.formats import check_comparators, check_formats, check_version
from walrus_fast.doctor.leftovers import check_kept, check_leftovers, check_owner
from walrus_fast.doctor.limits import check_kernel, check_open_files
from walrus_fast.doctor.permissions import check_database_permissions, check_repository_permissions
from walrus_fast.doctor.settings import check_options, check_wal_dir
from walrus_fast.doctor.space import check_backup_space, check_restore_space
from walrus_fast.doctor.subject import Subject
from walrus_fast.errors import WalrusFastError

if TYPE_CHECKING:
    from walrus_fast.doctor.finding import Finding
    from walrus_fast.doctor.subject import Places
    from walrus_fast.files import Files

__all__ = ["examine"]

_CHECKS = (
    check_database_permissions,
    check_owner,
    check_repository_permissions,
    check_socket,
    check_disks,
    check_file_systems,
    check_links,
    check_backup_space,
    check_restore_space,
    check_wal_dir,
    check_options,
    check_version,
    check_formats,
    check_comparators,
    check_open_files,
    check_kernel,
    check_clock,
    check_leftovers,
    check_kept,
)


def examine(files: Files, places: Places, *, now: float) -> list[Finding]:
    """Look at everything that is known of these places; nothing is changed. Raises nothing of ours."""
    subject, found = Subject(files, places, now=now), []
    for check in _CHECKS:
        name = check.__name__.removeprefix("check_").replace("_", "-")
        try:
            found += list(check(subject))
        except WalrusFastError as exc:
            found.append(warn(name, f"could not be looked at: {exc.message}", exc.hint or "Look at what that says."))
        except OSError as exc:
            found.append(warn(name, f"could not be looked at: {exc}", "Run as the node's user."))
    return found
