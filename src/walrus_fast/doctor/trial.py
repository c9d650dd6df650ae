"""A folder to try things in, removed again whatever happens."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from walrus_fast.files import Files

__all__ = ["TRIAL_PREFIX", "trial_folder"]

TRIAL_PREFIX = ".walrus-fast-doctor."


@contextmanager
def trial_folder(files: Files, parent: Path) -> Iterator[Path]:
    """A fresh hidden folder in `parent`. Raises: StorageError when none can be made there."""
    folder = parent / f"{TRIAL_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    files.make_directory(folder, 0o700)
    try:
        yield folder
    finally:
        files.remove_tree(folder)
