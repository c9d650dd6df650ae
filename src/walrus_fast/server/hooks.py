"""Hooks: commands of the operator's that hear how a job ended. What they do or fail to do changes no job."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from walrus_fast.protocol.jobs import JobState
from walrus_fast.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from walrus_fast.protocol.jobs import Job

__all__ = ["HookSettings", "Hooks"]

_LOG = logging.getLogger(__name__)
_SCHEMA = 1
_MOST_LINES, _MOST_BYTES, _LONGEST_LINE = 50, 64 << 10, 500  # of a hook's output in the log
# Nothing of the node's environment: it may hold secrets of the unit, and a hook does the same whoever started the node.
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_EVENTS = {JobState.SUCCEEDED: "success", JobState.FAILED: "failure", JobState.TIMED_OUT: "failure"}


@dataclass(frozen=True, slots=True)
class HookSettings:
    """Commands, each a program's absolute path and its arguments; `timeout` in seconds for each of them."""

    on_success: tuple[tuple[str, ...], ...]
    on_failure: tuple[tuple[str, ...], ...]
    timeout: float


class Hooks:
    """Runs the hooks of a job that has ended, one after the other."""

    def __init__(self, settings: Callable[[], HookSettings], database: Callable[[], Path]) -> None:
        self._settings = settings
        self._database = database

    async def run(self, job: Job) -> None:
        """Run those of how the job ended; none for a cancelled one. Raises nothing."""
        event = _EVENTS.get(job.state)
        if event is None:
            return
        settings = self._settings()
        document = msgspec.json.encode(
            {
                "schema": _SCHEMA,
                "event": event,
                "version": VERSION,
                "database": str(self._database()),
                "job": job,
            }
        )
        for command in settings.on_success if event == "success" else settings.on_failure:
            try:
                await self._run(command, document + b"\n", allowed=settings.timeout)
            except TimeoutError:
                _LOG.warning("the hook %s is killed: it has not ended within %g s", command[0], settings.timeout)

    async def _run(self, command: Sequence[str], document: bytes, *, allowed: float) -> None:
        name = command[0]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env=_ENVIRONMENT,
            )
        except OSError as exc:
            _LOG.warning("the hook %s cannot be run: %s", name, exc.strerror)
            return
        try:
            async with asyncio.timeout(allowed):
                output, _ = await asyncio.gather(_read(process), _feed(process, document))
                status = await process.wait()
        except BaseException:
            await _kill(process)  # it took longer than allowed, or the node is torn down
            raise
        for line in output:
            _LOG.info("%s: %s", os.path.basename(name), line)
        if status == 0:
            _LOG.debug("the hook %s has ended", name)
        else:
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            _LOG.warning("the hook %s %s", name, how)


async def _feed(process: asyncio.subprocess.Process, document: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(document)
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # a hook need not read what it is told
    finally:
        process.stdin.close()


async def _read(process: asyncio.subprocess.Process) -> list[str]:
    """The first lines of the output. The rest is read too, and dropped: a full pipe would stop the hook."""
    assert process.stdout is not None
    kept = b""
    dropped = 0
    while data := await process.stdout.read(1 << 16):
        room = _MOST_BYTES - len(kept)
        kept += data[:room]
        dropped += len(data[room:])
    lines = kept.decode("utf-8", "replace").splitlines()
    if dropped or len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], "... (and more)"]
    return [line[:_LONGEST_LINE] for line in lines]


async def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill the hook and what it began, which may hold our pipe open when the hook itself has ended."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # the last of them has just ended
    await process.wait()
