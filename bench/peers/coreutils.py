"""`cp` and `cat`: no checksums, no consistency, but what the machine can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.measure import Run, run_command

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["cat", "copy_synced", "copy_tree", "link_tree"]


def link_tree(source: Path, target: Path) -> Run:
    """`cp -al`"""
    return run_command(["cp", "-al", source, target])


def copy_tree(source: Path, target: Path) -> Run:
    """`cp -r`. GNU cp shares extents where the file system can; --reflink=never moves the bytes."""
    return run_command(["cp", "-r", "--reflink=never", source, target])


def copy_synced(source: Path, target: Path) -> Run:
    """`cp -r`, then everything durable: what a backup with `sync` promises."""
    script = 'cp -r --reflink=never "$1" "$2" && sync -f "$2"'
    return run_command(["sh", "-c", script, "sh", source, target])


def cat(folder: Path) -> Run:
    """Read every file once."""
    return run_command(["sh", "-c", 'find "$1" -type f -print0 | xargs -0 cat > /dev/null', "sh", folder])
