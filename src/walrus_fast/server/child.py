"""The server's end of a job process: start it, hear it, stop it, and be sure that it is gone."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

import msgspec

from walrus_fast.errors import ProtocolViolation, StorageError, WorkerDied
from walrus_fast.protocol.frames import Frames, encode_frame
from walrus_fast.protocol.jobs import error_body
from walrus_fast.server.job_spec import MAX_FRAME_BYTES, Control, Failed, Said, Step, Task

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Child", "start_child"]

_LOG = logging.getLogger(__name__)
_ANSWERS: msgspec.msgpack.Decoder[Said] = msgspec.msgpack.Decoder(Said)
_LAST_LINES = 20
_LINE_BYTES = 1 << 16


async def start_child(task: Task) -> Child:
    """Start a process for a task. Raises: StorageError when the system has no room for one."""
    command = (sys.executable, "-P", "-m", "walrus_fast.server.job_process")
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=_LINE_BYTES,
        )
    except OSError as exc:
        raise StorageError(f"cannot start a job process: {exc}", number=exc.errno or 0) from exc
    child = Child(process)
    child.send(task)
    return child


class Child:
    """A running job process. `outcome` is awaited once; when it returns, no process of the job is left."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Of the process, and of its process group."""
        return self._process.pid

    def send(self, message: Control | Task) -> None:
        """Tell the process something; harmless when it is gone. Pipes hold 64 KiB, a control has some 50 bytes."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(encode_frame(message))

    def kill(self) -> None:
        """SIGKILL to the process and all its workers."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has just ended by itself

    async def outcome(self, on_step: Callable[[Step], None]) -> Said:
        """Hear the process to its end. A `Failed` of ours, not clean, when it ended without a word.

        On cancellation of the caller everything is killed, and the end is awaited all the same.
        """
        ears = asyncio.ensure_future(self._hear(on_step))
        try:
            return await asyncio.shield(ears)
        except asyncio.CancelledError:
            self.kill()
            await ears
            raise

    async def _hear(self, on_step: Callable[[Step], None]) -> Said:
        # Every process of the job holds standard error open: its end is the end of the last of them.
        said, lines = await asyncio.gather(self._answers(on_step), self._complaints())
        status = await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if said is not None:
            return said
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        last = f": {lines[-1]}" if lines else ""
        died = WorkerDied(f"the job's process ended without a result ({how}){last}")
        return Failed(error_body(died), clean=False)

    async def _answers(self, on_step: Callable[[Step], None]) -> Said | None:
        assert self._process.stdout is not None
        frames, outcome = Frames(MAX_FRAME_BYTES), None
        while data := await self._process.stdout.read(_LINE_BYTES):
            frames.feed(data)
            try:
                for payload in frames:
                    said = _ANSWERS.decode(payload)
                    if isinstance(said, Step):
                        on_step(said)
                    else:
                        outcome = said
            except (ProtocolViolation, msgspec.MsgspecError) as exc:
                _LOG.error("job process %d said something odd: %s", self.pid, exc)
                self.kill()
                return None
        if outcome is None:
            self.kill()  # it died alone: its workers must not go on without it
        return outcome

    async def _complaints(self) -> list[str]:
        assert self._process.stderr is not None
        last: list[str] = []
        while True:
            try:
                line = await self._process.stderr.readline()
            except ValueError:
                continue  # a line without an end: what was read of it is dropped, the next one is heard
            if not line:
                return last
            text = line.decode("utf-8", "replace").rstrip()
            _LOG.warning("%s", text)
            last = [*last, text][-_LAST_LINES:]
