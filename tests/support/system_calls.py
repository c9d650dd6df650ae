"""The system calls of a real run, as strace saw them: what the kernel was asked, C batches and threads included."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.command import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# All that can change a file system or make it durable, and what tells which file a descriptor is.
CHANGING = (
    *("link", "linkat", "symlink", "symlinkat", "rename", "renameat", "renameat2", "unlink", "unlinkat"),
    *("mkdir", "mkdirat", "rmdir", "write", "pwrite64", "writev", "copy_file_range", "ftruncate", "fallocate"),
    *("ioctl", "fsync", "fdatasync", "sync", "syncfs", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat"),
)
NAMING = ("open", "openat", "creat", "close", "dup", "dup2", "dup3", "fcntl")
_LINE = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\)\s+= (?P<result>-?\d+|\?)(?P<rest>.*)")


@dataclass(frozen=True)
class Call:
    """One system call that has ended. Strings among the arguments are bytes, everything else is as strace writes it."""

    thread: int
    name: str
    arguments: tuple[str | bytes, ...]
    result: int

    def path(self, index: int) -> str:
        """The argument as a path."""
        found = self.arguments[index]
        assert isinstance(found, bytes), self
        return found.decode()

    def number(self, index: int) -> int:
        """The argument as a number; AT_FDCWD is -100."""
        found = self.arguments[index]
        assert isinstance(found, str), self
        return -100 if found == "AT_FDCWD" else int(found.strip("[]"), 0)


def traced(arguments: Sequence[object], log: Path, *, calls: Sequence[str]) -> tuple[int, list[Call]]:
    """Run our program under strace; its exit status, and those calls of all its threads in the order of their ends."""
    strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-xx", "-s", str(1 << 26), "-o", str(log)]
    command = [*strace, "-e", f"trace={','.join(calls)}", str(PROGRAM), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, parse(log.read_text(encoding="ascii"))


def parse(log: str) -> list[Call]:
    """The calls of a log of `strace -f -xx` that ended without an error.

    In the order of their ends, but a close where it begins: another thread may be given the descriptor before strace
    has seen the end of the close.
    """
    calls = []
    begun: dict[str, str] = {}
    for line in log.splitlines():
        thread, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            begun[thread] = text.removesuffix("<unfinished ...>")
            if text.startswith("close("):
                calls.append(Call(int(thread), "close", (begun[thread].strip().removeprefix("close(").rstrip(")"),), 0))
            continue
        if text.startswith("<... close"):
            begun.pop(thread)
            continue
        if text.startswith("<... "):
            text = begun.pop(thread).rstrip() + " " + text.partition(" resumed>")[2]
        match = _LINE.fullmatch(text)
        if match is None or match["result"] in ("?", "-1"):
            continue  # an exit, a signal, a call that failed or never ended
        arguments = tuple(_argument(part.strip()) for part in match["arguments"].split(", "))
        calls.append(Call(int(thread), match["name"], arguments, int(match["result"])))
    return calls


def _argument(text: str) -> str | bytes:
    if not text.startswith('"'):
        return text
    assert text.endswith('"'), "strace has cut a string short"
    return bytes.fromhex(text[1:-1].replace("\\x", ""))
