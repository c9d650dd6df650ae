"""Copying the beginning of a file that somebody else appends to: what could be read can be copied."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.file_systems import overlay
from walrus_fast.files import Files

if TYPE_CHECKING:
    from pathlib import Path

_COPIES = 300
_APPENDS = """
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
while os.getppid() == int(sys.argv[2]):
    if os.write(file, b"x" * 500) and os.fstat(file).st_size > 1_000_000:
        os.ftruncate(file, 0)
"""


def test_on_overlayfs_whose_size_of_a_file_lags_behind(tmp_path: Path, root: None) -> None:
    """Its copy_file_range ends at a size that is older than what was just read: one copy in ten, before."""
    files = Files()
    with overlay(tmp_path) as folder:
        path = folder / "log"
        path.touch()
        source = os.open(path, os.O_RDONLY)
        with subprocess.Popen([sys.executable, "-c", _APPENDS, str(path), str(os.getpid())]) as appending:
            try:
                copied = 0
                while copied < _COPIES:
                    length = len(os.pread(source, 2_000_000, 0))
                    target = os.open(folder / "copy", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
                    try:
                        if length > 500_000:  # far from the moment at which it begins anew
                            continue
                        files.copy_prefix(source, target, length)
                        assert os.fstat(target).st_size == length
                        copied += 1
                    finally:
                        os.close(target)
            finally:
                appending.kill()
                os.close(source)
