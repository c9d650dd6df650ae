"""Runs the writer from a test, a demonstration or a benchmark.

    with running_writer(db, seed=7, recycle_logs=2) as writer:
        lower = writer.acknowledged
        …                                  # a snapshot
        upper = writer.acknowledged + 1    # a step may be in the log before it is acknowledged

Leaving the block stops the writer and asserts that it never noticed anything.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from workload.progress import Progress
from workload.settings import format_db_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workload.settings import DataFolders

REPOSITORY = Path(__file__).resolve().parent.parent
READY = b"READY\n"
READY_TIMEOUT = 30.0
STOP_TIMEOUT = 30.0
POLL = 0.002


class WriterOptions(TypedDict, total=False):
    """The options of `python -m workload.writer`, with underscores."""

    value_scale: float
    families_churn: int
    steps: int
    seconds: float
    rate: float
    resume: bool
    recycle_logs: int
    max_manifest_size: int
    wal_dir: Path
    wal_ttl: int
    db_paths: DataFolders
    format_version: int
    memtable_size: int
    manual_flush_every: int
    atomic_flush: bool
    sync_wal: bool


class WriterError(AssertionError):
    """The writer did not do what it should; the message ends with what it wrote to stderr."""


class RunningWriter:
    """A writer process. Use `running_writer`, which also cleans up."""

    def __init__(self, db_dir: Path, seed: int, folder: Path, options: WriterOptions) -> None:
        self.db_dir = db_dir
        self.seed = seed
        self._progress = Progress(folder / "progress")
        self._log = folder / "stderr"
        self._started = b""
        self._checked = False
        command = [sys.executable, "-m", "workload.writer", "--db", str(db_dir.absolute()), f"--seed={seed}"]
        command += [f"--progress={folder / 'progress'}", "--die-with-parent", *_arguments(options)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log)

    @property
    def pid(self) -> int:
        """Of the process that owns the database."""
        return self._process.pid

    @property
    def acknowledged(self) -> int:
        """The last step whose write has returned. Costs the writer nothing; works after its end too."""
        return self._progress.value

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    @property
    def stderr(self) -> str:
        """All that the writer has complained about."""
        return self._log.read_text()

    def wait_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Block until the writer has said READY; WriterError after `timeout` or if it ends first."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout
        while READY not in self._started:
            left = max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([self._process.stdout], [], [], left)
            if not readable:
                raise self._error(f"not ready after {timeout:g} s")
            chunk = os.read(self._process.stdout.fileno(), 4096)
            if not chunk:
                self._process.wait(STOP_TIMEOUT)
                raise self._error("ended before it was ready")
            self._started += chunk

    def advance(self, steps: int, timeout: float = READY_TIMEOUT) -> int:
        """Block until `steps` more steps are acknowledged; returns the step reached.

        Looks at the counter every 2 ms; the end of the writer interrupts the wait at once.
        """
        assert self._process.stdout is not None
        goal, deadline = self.acknowledged + steps, time.monotonic() + timeout
        while self.acknowledged < goal:
            ended, _, _ = select.select([self._process.stdout], [], [], POLL)
            if self.acknowledged < goal and (ended or time.monotonic() > deadline):
                raise self._error(f"did not reach step {goal} but {self.acknowledged}")
        return self.acknowledged

    def assert_alive(self) -> None:
        """WriterError if the process has ended, whatever its status."""
        if not self.running:
            raise self._error("is not running any more")

    def kill(self) -> int:
        """SIGKILL; returns the last acknowledged step. The database is as after a crash of the process."""
        self.assert_alive()
        self._process.kill()
        self._process.wait(STOP_TIMEOUT)
        self._checked = True
        return self.acknowledged

    def stop(self) -> int:
        """SIGTERM, wait, assert that the writer saw no error; returns the last step."""
        self.assert_alive()
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, timeout: float = STOP_TIMEOUT) -> int:
        """Wait for an end by itself (`steps`, `seconds`), assert status 0; returns the last step."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise self._error(f"still runs after {timeout:g} s") from error
        self._checked = True
        if status:
            raise self._error(f"ended with status {status}")
        return self.acknowledged

    def finish(self) -> None:
        """Stop it unless it has ended, and assert that it saw no error unless that was done already."""
        if not self._checked:
            self._process.terminate()
            self.wait()

    def close(self) -> None:
        """Kill what is left and free everything; idempotent."""
        if self.running:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._progress.close()

    def _error(self, what: str) -> WriterError:
        return WriterError(f"the writer of {self.db_dir} {what}\n{self.stderr}")


def _arguments(options: WriterOptions) -> list[str]:
    arguments = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            arguments += [flag] if value else []
        elif isinstance(value, tuple):
            arguments.append(f"{flag}={format_db_paths(value)}")
        else:
            arguments.append(f"{flag}={value}")
    return arguments


@contextlib.contextmanager
def running_writer(db_dir: Path, *, seed: int, **options: Unpack[WriterOptions]) -> Iterator[RunningWriter]:
    """Start a writer and wait until it is ready; at the end stop it (unless the block did) and check it.

    Paths among the options should be absolute. Raises WriterError if the writer ended by itself, had an
    error, or did not start; an exception out of the block kills it and is passed on.
    """
    with tempfile.TemporaryDirectory(prefix="walrus-writer-") as folder:
        writer = RunningWriter(db_dir, seed, Path(folder), options)
        try:
            writer.wait_ready()
            yield writer
            writer.finish()
        finally:
            writer.close()
