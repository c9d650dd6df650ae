"""The admin socket's path."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from walrus_fast.client.blocking import AdminClient
from walrus_fast.doctor.finding import fail, ok, warn
from walrus_fast.doctor.subject import nearest_folder
from walrus_fast.errors import WalrusFastError
from walrus_fast.server.socket import LONGEST_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from walrus_fast.doctor.finding import Finding
    from walrus_fast.doctor.subject import Subject

__all__ = ["check_socket"]

_PATIENCE = 5.0  # seconds


def check_socket(subject: Subject) -> Iterator[Finding]:
    """Its length, what lies there, who may use it, whether a node answers."""
    path = subject.places.socket
    if path is None:
        return
    length = len(os.fsencode(path))
    if length > LONGEST_PATH:
        yield fail(
            "socket",
            f"{path} has {length} bytes; the path of a socket may have {LONGEST_PATH}",
            "Choose a shorter admin_socket_path, for instance below /run.",
        )
        return
    folder = nearest_folder(path.parent)
    try:
        found = path.lstat()
    except FileNotFoundError:
        if os.access(folder, os.W_OK | os.X_OK):
            yield ok("socket", f"{path} is free, and can be made; no node runs")
        else:
            yield fail("socket", f"user {os.geteuid()} may not make a socket in {folder}", f"`chown` {folder}.")
        return
    except OSError as exc:
        yield fail("socket", f"{path}: {exc.strerror}", "Run as the node's user.")
        return
    if not stat.S_ISSOCK(found.st_mode):
        yield fail("socket", f"{path} is there and is no socket", "Choose another admin_socket_path.")
    elif found.st_uid != os.geteuid() and os.geteuid() != 0:
        yield fail("socket", f"{path} belongs to user {found.st_uid}", "Only that user and root may give orders.")
    else:
        yield _answering(path)


def _answering(path: Path) -> Finding:
    try:
        with AdminClient(path, timeout=_PATIENCE) as node:
            info = node.info()
    except WalrusFastError as exc:
        return warn(
            "socket",
            f"nothing of ours answers on {path}: {exc.message}",
            "A socket of a node that died is replaced by the next one; the original node answers other questions.",
        )
    return ok("socket", f"a node answers on {path}: version {info.version}, process {info.pid}")
