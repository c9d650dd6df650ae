"""Boots a systemd of its own over a view of this machine, in namespaces, with the units of `deploy/systemd` installed.

What runs in it is the real thing: systemd as process 1, its journal, its sandboxes. It takes about two seconds.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.server.node import PROJECT, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

UNITS = PROJECT / "deploy" / "systemd"
INSIDE = Path("/opt/walrus-fast")
_BOOT = Path(__file__).with_name("boot.sh")
_SYSTEMD = Path("/lib/systemd/systemd")
_TARGET = "[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n"
_PROGRAM = "#!/opt/walrus-fast/bin/python\nfrom walrus_fast.cli.app import main\n\nmain()\n"
_PATH = "PATH=/usr/local/bin:/usr/bin:/bin"
# An interpreter that is linked to its library by a path below /root finds it by this.
_LIBRARY = f"LD_LIBRARY_PATH={INSIDE}/python/lib"
_CGROUPS = ("systemd", "unified")
_TIMEOUT = 60.0


class System:
    """A booted system. `walrus` is its /opt/walrus, seen from here."""

    def __init__(self, folder: Path, init: int) -> None:
        self.walrus = folder / "walrus"
        self._enter = ["nsenter", "--all", f"--target={init}", "env", "-i", _PATH, _LIBRARY]

    def run(self, *command: str, user: str | None = None, status: int = 0) -> str:
        """A command in there, as root or as `user`; its standard output. Asserts the exit status."""
        done = subprocess.run(
            self.command(*command, user=user), capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
        assert done.returncode == status, f"{' '.join(command)}: {done}\n{self.journal()}"
        return done.stdout

    def journal(self, *options: str) -> str:
        """What was said, the messages only."""
        shown = subprocess.run(
            self.command("journalctl", "--no-pager", "-o", "cat", *(options or ("-n", "30"))),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=True,
        )
        return shown.stdout

    def command(self, *command: str, user: str | None = None) -> list[str]:
        """What runs that command from out here."""
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"] if user else []
        return [*self._enter, *become, *command]

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()


@contextmanager
def booted(folder: Path) -> Iterator[System]:
    """A system for the block, its files in `folder`. Skips without root or systemd."""
    if os.geteuid() != 0:
        pytest.skip("booting a systemd needs root")
    if not _SYSTEMD.exists():
        pytest.skip("systemd is not installed (tests/packages.sh names its package)")
    if PROJECT.stat().st_mode & 0o005 != 0o005:
        pytest.skip(f"the walrus user of the booted system may not read {PROJECT}")
    for name in ("root", "layer", "walrus"):
        (folder / name).mkdir(parents=True)
    (folder / "console").touch()
    _lay_out(folder / "files")
    with ExitStack() as stack:
        groups = [stack.enter_context(_cgroup(parent, f"walrus-fast-test-{os.getpid()}")) for parent in _cgroup_roots()]

        def join() -> None:
            for group in groups:
                (group / "cgroup.procs").write_text("0")

        prefix, site = sys.base_prefix, sysconfig.get_path("purelib")
        unshare = ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "--net", "--kill-child"]
        with (folder / "boot.log").open("wb") as log:
            process = subprocess.Popen(
                [*unshare, "sh", str(_BOOT), str(folder), str(PROJECT), prefix, site],
                preexec_fn=join,  # noqa: PLW1509  (the parent has no threads here)
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        stack.callback(process.wait)
        stack.callback(process.kill)  # and with it process 1, and with that everything in there
        yield _wait_until_up(folder, process)


def _wait_until_up(folder: Path, process: subprocess.Popen[bytes]) -> System:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def up() -> bool:
        assert process.poll() is None, (folder / "boot.log").read_text()
        init = children.read_text().split()
        if not init or Path(f"/proc/{init[0]}/comm").read_text() != "systemd\n":
            return False
        system = System(folder, int(init[0]))
        asked = subprocess.run(
            system.command("systemctl", "is-active", "walrus-fast-test.target"), capture_output=True, check=False
        )
        return asked.stdout == b"active\n"

    wait_for(up, "the booted system", (folder / "boot.log").read_text)
    return System(folder, int(children.read_text().split()[0]))


def _lay_out(files: Path) -> None:
    """What is copied over the root: units as an operator would install them, and the program."""
    for source, target in (
        ("walrus-node.service", "etc/systemd/system"),
        ("walrus-verify.service", "etc/systemd/system"),
        ("walrus-verify.timer", "etc/systemd/system"),
        ("walrus-fast.sysusers", "etc/sysusers.d/walrus-fast.conf"),
        ("walrus-fast.tmpfiles", "etc/tmpfiles.d/walrus-fast.conf"),
    ):
        path = files / target / source if target.endswith("system") else files / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(UNITS / source, path)
    (files / "etc/systemd/system/walrus-fast-test.target").write_text(_TARGET)
    (files / "etc/systemd/system.conf.d").mkdir()
    (files / "etc/systemd/system.conf.d/python.conf").write_text(f"[Manager]\nDefaultEnvironment={_LIBRARY}\n")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = files / "opt/walrus-fast/lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packages / "walrus-fast.pth").write_text(f"{INSIDE}/site\n{INSIDE}/project/src\n{INSIDE}/project\n")
    (files / "opt/walrus-fast/pyvenv.cfg").write_text(f"home = {INSIDE}/python/bin\n")
    binaries, local = files / "opt/walrus-fast/bin", files / "usr/local/bin"
    binaries.mkdir()
    local.mkdir(parents=True)
    (binaries / "python").symlink_to(f"../python/bin/{version}")
    (binaries / "walrus-node").write_text(_PROGRAM)
    (binaries / "walrus-node").chmod(0o755)
    (local / "walrus-node").symlink_to("/opt/walrus-fast/bin/walrus-node")


def _cgroup_roots() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    return [root] if (root / "cgroup.controllers").exists() else [root / name for name in _CGROUPS]


@contextmanager
def _cgroup(parent: Path, name: str) -> Iterator[Path]:
    group = parent / name
    group.mkdir()
    try:
        yield group
    finally:
        wait_for(lambda: _removed(group), "the end of all that was booted")


def _removed(group: Path) -> bool:
    """Remove a group and those in it; False while a process in one of them has not quite ended."""
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            os.rmdir(folder)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True
