"""A container engine: podman, and an image of this project.

The image is built by the program that WALRUS_FAST_IMAGE_BUILDER names (`BUILDER CONTEXT TAG` builds, `BUILDER --podman
ARGUMENTS` is podman with the store that it built into), or else by podman, which must have or get debian:bookworm-slim.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.node import PROJECT, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUILDER = "WALRUS_FAST_IMAGE_BUILDER"
BASE = "docker.io/library/debian:bookworm-slim"
_TIMEOUT = 120.0
_BUILD_TIMEOUT = 1200.0
# What holds for every container: hardened as the recipes say, and nothing that needs an engine with a network.
_HARDENED = ("--read-only", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges")
_OPTIONS = ("--pull=never", *_HARDENED)


class Engine:
    """Podman, and the tag of the image under test. `program` is what to call as `podman`."""

    def __init__(self, program: Path, tag: str) -> None:
        self.program = program
        self.tag = tag

    def podman(self, *arguments: object, status: int = 0) -> str:
        """Run podman; its standard output. Asserts the exit status."""
        command = [str(self.program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
        assert done.returncode == status, f"{' '.join(command)}: {done}"
        return done.stdout

    def run(self, *arguments: object, options: tuple[str, ...] = (), status: int = 0) -> str:
        """Run the image once, hardened, with these arguments to its entry point; what it wrote."""
        # Not `run --rm` in the foreground: where no systemd runs, podman 4.3 looks for the end for 20 seconds.
        container = self.start(f"{self.tag}-once", *arguments, options=options)
        try:
            assert container.wait() == status, container.logs
            return container.logs
        finally:
            self.remove(container.name)

    def start(self, name: str, *arguments: object, options: tuple[str, ...] = ()) -> Container:
        """A container in the background, hardened. To be removed by `remove`."""
        self.podman("run", "--detach", f"--name={name}", *_OPTIONS, *options, self.tag, *arguments)
        return Container(self, name)

    def remove(self, *names: str) -> None:
        """Kill and remove containers; fine if they are gone."""
        self.podman("rm", "--force", "--ignore", "--time=1", *names)

    def inspect_image(self) -> Any:
        """What `podman image inspect` says."""
        return json.loads(self.podman("image", "inspect", self.tag))[0]

    def base_size(self) -> int:
        """Bytes of the image that it is built on."""
        size: int = json.loads(self.podman("image", "inspect", BASE))[0]["Size"]
        return size


class Container:
    """A container by name."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    def exec(self, *arguments: object, status: int = 0) -> str:
        """Run a program in it."""
        return self._engine.podman("exec", self.name, *arguments, status=status)

    def admin(self, *arguments: object, status: int = 0) -> Any:
        """`local-admin ... --json` to the node in it."""
        socket = ("--socket-path", "/walrus/admin.socket")
        return json.loads(self.exec("walrus-node", "local-admin", *socket, *arguments, "--json", status=status))

    def kill(self, signal: str = "KILL") -> None:
        """A signal to its process 1."""
        self._engine.podman("kill", f"--signal={signal}", self.name)

    def wait(self) -> int:
        """Its end; the exit status."""
        return int(self._engine.podman("wait", self.name))

    def wait_healthy(self) -> None:
        """Until its health check is content."""
        check = [str(self._engine.program), "healthcheck", "run", self.name]

        def healthy() -> bool:
            assert self.running, self.logs
            return subprocess.run(check, capture_output=True, check=False).returncode == 0

        wait_for(healthy, "the node", lambda: self.logs)

    @property
    def running(self) -> bool:
        """Whether process 1 is there."""
        return bool(json.loads(self._engine.podman("inspect", self.name))[0]["State"]["Running"])

    @property
    def logs(self) -> str:
        """What it has written, to standard output and standard error."""
        command = [str(self._engine.program), "logs", self.name]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
        return done.stdout


@contextmanager
def built_image(folder: Path) -> Iterator[Engine]:
    """Build the image of this tree; it is removed at the end. Skips where no engine is, or no base image."""
    builder, tag = os.environ.get(BUILDER), f"walrus-fast-test-{os.getpid()}"
    context = folder / "context"
    _copy_sources(context)
    program = folder / "podman"
    if builder is not None:
        program.write_text(f'#!/bin/sh\nexec "{builder}" --podman "$@"\n')
        program.chmod(0o755)
        build = [builder, str(context), tag]
    else:
        found = shutil.which("podman")
        if found is None:
            pytest.skip(f"neither {BUILDER} nor podman")
        program.symlink_to(found)
        if subprocess.run([found, "pull", "-q", BASE], capture_output=True, check=False).returncode:
            pytest.skip(f"podman cannot get {BASE}")
        build = [found, "build", "--format=docker", "-t", tag, str(context)]
    with (folder / "build.log").open("wb") as log:
        done = subprocess.run(build, stdout=log, stderr=log, timeout=_BUILD_TIMEOUT, check=False)
    assert done.returncode == 0, (folder / "build.log").read_text()[-4000:]
    engine = Engine(program, tag)
    try:
        yield engine
    finally:
        engine.podman("rmi", "--force", tag)


def _copy_sources(context: Path) -> None:
    """What is tracked or new, as it is now: not what lies about."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:  # an unpacked sdist
        shutil.copytree(PROJECT, context)
        return
    for name in listed.stdout.decode().split("\0"):
        if name and (PROJECT / name).exists():
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, context / name)
