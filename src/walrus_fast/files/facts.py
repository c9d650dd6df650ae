"""What is asked about files."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

__all__ = ["FileStat", "FileSystemSpace"]


class FileStat(msgspec.Struct, frozen=True, gc=False):
    """What identifies a file's contents without reading them. `mtime_ns` in nanoseconds, `size` in bytes."""

    device: int
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class FileSystemSpace:
    """Bytes: the size of a file system, and what we may still write on it."""

    size: int
    free: int
