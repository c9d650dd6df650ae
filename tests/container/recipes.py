"""The compose files of `deploy/container`, run by podman-compose as they are, with a writer as their database."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.container.engine import Container
from tests.server.node import PROJECT, wait_for
from workload.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.container.engine import Engine

SEED = 20260711
USER = 10001
RECIPES = PROJECT / "deploy" / "container"
_WRITER = ["python", "-m", "workload.writer", "--db=/data/db", f"--seed={SEED}", "--progress=/data/progress"]
_TIMEOUT = 120.0


class Recipe:
    """A compose file that is up. `folder` holds its volumes, `database` and `backups` are its containers."""

    def __init__(self, engine: Engine, folder: Path, file: str) -> None:
        self.folder = folder
        self._engine = engine
        self._project = f"wft{os.getpid()}"
        self.database = Container(engine, f"{self._project}_database_1")
        self.backups = Container(engine, f"{self._project}_backups_1")
        self._files = (RECIPES / file, folder / "test.yaml")
        document = yaml.safe_load((RECIPES / file).read_text())
        self.volumes = list(document["volumes"])
        for name in self.volumes:
            (folder / name).mkdir()
            os.chown(folder / name, USER, USER)
        self._files[1].write_text(yaml.safe_dump(self._additions(self.volumes)))

    def _additions(self, volumes: list[str]) -> dict[str, Any]:
        """What the operator brings: the database's image and command; and volumes that the test can look into."""
        writer = {
            "network_mode": "none",
            "user": f"{USER}:{USER}",
            "entrypoint": [*_WRITER, "--rate=3000", "--resume"],
            "working_dir": "/project",
            "volumes": [f"{PROJECT / 'workload'}:/project/workload:ro"],
        }
        bound = {
            name: {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": str(self.folder / name)}}
            for name in volumes
        }
        return {"services": {"database": writer}, "volumes": bound}

    def compose(self, *arguments: str) -> None:
        """`podman-compose`, with this recipe."""
        program = Path(sys.executable).with_name("podman-compose")
        files = [option for file in self._files for option in ("--file", str(file))]
        command = [str(program), "--podman-path", str(self._engine.program), "--project-name", self._project, *files]
        environment = {**os.environ, "DATABASE_IMAGE": self._engine.tag, "WALRUS_FAST_IMAGE": self._engine.tag}
        done = subprocess.run(
            [*command, "--podman-run-args=--pull=never", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done

    def up(self) -> None:
        """Start what is not running; returns when the database is written to and the node is healthy."""
        before = self.acknowledged
        self.compose("up", "--detach")
        wait_for(lambda: self.acknowledged > before + 500, "the writer", lambda: self.database.logs)
        self.backups.wait_healthy()

    @property
    def acknowledged(self) -> int:
        """The last step whose write has returned to the writer."""
        file = self.folder / self.volumes[0] / "progress"
        if not file.exists():
            return 0
        progress = Progress(file)
        try:
            return progress.value
        finally:
            progress.close()


@contextmanager
def recipe(engine: Engine, folder: Path, file: str) -> Iterator[Recipe]:
    """A recipe that is up for the block, and gone after it."""
    running = Recipe(engine, folder, file)
    try:
        running.up()
        yield running
    finally:
        engine.remove(running.database.name, running.backups.name)
        engine.podman("volume", "rm", "--force", *(f"{running._project}_{name}" for name in running.volumes))
