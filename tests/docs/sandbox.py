"""Where the commands of a document are typed: a folder that stands for `/opt/walrus`, with a real database in it.

Stated substitutions, and no others:

* `/opt/walrus` and `/mnt/backups` are folders of the test.
* `sudo` runs the rest of its line as it is (`-u USER` is dropped); `chown` with it does nothing: no user is walrus.
* `systemctl start|stop|restart|reload|status UNIT`: walrus-node.service is the process that owns the database,
  together with our node on `/opt/walrus/node-config.yaml`, where there is one. `journalctl` shows the end of its log.
* `make` and `pip` are not there. What they do is tested elsewhere, and blocks with them say that they are not run.
* A YAML block whose first line is a comment with a path below `/opt/walrus` is written to that path.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.docs.blocks import ROOT

if TYPE_CHECKING:
    from tests.docs.blocks import Block

TIMEOUT = 120.0
_PATH_COMMENT = re.compile(r"# (/opt/walrus/\S+)\n")
_SIZE = re.compile(r"\b\d[\d.,]* (?:[KMGT]?B)\b")
_DURATION = re.compile(r"\b(?:\d+ d(?: \d+ h)?|\d+ h(?: \d+ min)?|\d+ min(?: \d+ s)?|\d+(?:\.\d+)? m?s)\b")
_JOB = re.compile(r"\b[0-9a-f]{4}-\d+\b")
_NUMBER = re.compile(r"\d+(?:[.,:T-]\d+)*Z?")
_PROGRESS = re.compile(r"^\w+ \.\.\.$")

SUDO = """#!/bin/sh
[ "$1" = -u ] && shift 2
[ "$1" = chown ] && exit 0
exec "$@"
"""
STAND_IN = """#!/bin/sh
cd {root} && exec {python} -m tests.docs.services {name} "$@"
"""


class Sandbox:
    """A fresh `/opt/walrus`."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "opt"
        self.other_disk = folder / "mnt"
        self.programs = folder / "bin"
        for made in (self.home, self.other_disk, self.programs):
            made.mkdir()
        self._program("sudo", SUDO)
        for name in ("systemctl", "journalctl"):
            self._program(name, STAND_IN.format(root=ROOT, python=sys.executable, name=name))

    def _program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    def ours(self, text: str) -> str:
        """With the paths of the sandbox."""
        return text.replace("/opt/walrus", str(self.home)).replace("/mnt/backups", str(self.other_disk))

    def theirs(self, text: str) -> str:
        """With the paths of the documents."""
        return text.replace(str(self.home), "/opt/walrus").replace(str(self.other_disk), "/mnt/backups")

    def write(self, block: Block) -> None:
        """Put a YAML block where its first line says."""
        match = _PATH_COMMENT.match(block.text)
        if match is not None:
            Path(self.ours(match[1])).write_text(self.ours(block.text) + "\n")

    def type(self, block: Block) -> None:
        """Type the commands of a block into one shell, and compare what appears with what the document shows."""
        status = 0
        for command in block.commands:
            status, shown = self._run(f"(exit {status})\n{self.ours(command.text)}")
            where = f"{block.document}:{block.line}: {command.text}\nstatus {status}, shown:\n{shown}"
            if command.output is None or not command.output:
                assert status == 0, where
            if command.output is not None:
                difference = unlike(command.output, shown.splitlines())
                assert difference is None, f"{where}\n{difference}"

    def _run(self, script: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail\n{script}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=TIMEOUT, check=False, cwd=self.home, env=self.environment,
        )  # fmt: skip
        shown = [line for line in self.theirs(done.stdout).splitlines() if not _PROGRESS.match(line)]
        return done.returncode, "\n".join(shown)

    @property
    def environment(self) -> dict[str, str]:
        """What a login shell would have, with our programs before the system's."""
        return {
            "PATH": f"{self.programs}:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "SANDBOX": str(self.home),
            "TZ": "UTC",
        }

    def systemctl(self, verb: str) -> None:
        """As an operator would."""
        subprocess.run(
            [self.programs / "systemctl", verb, "walrus-node.service"],
            check=True, timeout=TIMEOUT, env=self.environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def close(self) -> None:
        """End what still runs."""
        for path in self.home.glob(".services/*.pid"):
            try:
                os.killpg(int(path.read_text()), signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended


def normal(line: str) -> str:
    """A line without what differs from run to run: sizes, times, numbers."""
    line = _JOB.sub("JOB", line.rstrip())
    for pattern, name in ((_SIZE, "SIZE"), (_DURATION, "DURATION"), (_NUMBER, "N")):
        line = pattern.sub(name, line)
    return re.sub(r"  +", "  ", line)


def unlike(expected: tuple[str, ...], shown: list[str]) -> str | None:
    """How what appears differs from what the document shows; None when it does not.

    A line `...` stands for any lines, also none, and `...` at the end of a line for any end.
    """
    wanted, have = [normal(line) for line in expected], [normal(line) for line in shown]
    if _matches(wanted, have):
        return None
    return "\n".join(["in the document:", *wanted, "here:", *have])


def _matches(wanted: list[str], have: list[str]) -> bool:
    if not wanted:
        return not have
    if wanted[0].strip() == "...":
        return any(_matches(wanted[1:], have[skipped:]) for skipped in range(len(have) + 1))
    return bool(have) and _is(wanted[0], have[0]) and _matches(wanted[1:], have[1:])


def _is(wanted: str, have: str) -> bool:
    return have.startswith(wanted[:-3].rstrip()) if wanted.endswith("...") else have == wanted
