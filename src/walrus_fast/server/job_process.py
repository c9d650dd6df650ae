"""A job process: does one task with the operations of the core, and tells the server how it goes.

A process of its own for each job keeps the server's loop free of anything that holds the interpreter, gives its
memory back at its end, and can be killed. It leads its own process group; its transfer workers are in it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from walrus_fast.errors import Cancelled, ProtocolViolation, StorageError, TimedOut, WalrusFastError
from walrus_fast.files import Files
from walrus_fast.operations.pace.governor import Governor
from walrus_fast.operations.pace.pressure import find_gauge
from walrus_fast.protocol.frames import Frames, encode_frame
from walrus_fast.protocol.jobs import error_body
from walrus_fast.repository.layout import Layout
from walrus_fast.repository.scratch import has_scratch_of
from walrus_fast.server.job_spec import MAX_FRAME_BYTES, Control, CreateTask, Failed, Rate, Step, Stop, Task
from walrus_fast.server.perform import perform
from walrus_fast.transfer.worker import prepare_worker

if TYPE_CHECKING:
    from walrus_fast.operations.progress import JobProgress
    from walrus_fast.rates import RateLimit

__all__ = ["main"]

_TASKS: msgspec.msgpack.Decoder[Task] = msgspec.msgpack.Decoder(Task)
_CONTROLS: msgspec.msgpack.Decoder[Control] = msgspec.msgpack.Decoder(Control)


class _Server:
    """The other end of standard input and output."""

    def __init__(self) -> None:
        # Whatever writes to standard output by mistake, ours or a library, lands in the log instead of the frames.
        self._answers = os.dup(1)
        os.dup2(2, 1)
        self._frames = Frames(MAX_FRAME_BYTES)
        self._last = Step("", 0, 0, 0, 0)
        self.rate: RateLimit = 0

    def task(self) -> Task:
        """Wait for the task. Raises: Cancelled when the server goes away before it is said."""
        while True:
            for payload in self._frames:
                task = _TASKS.decode(payload)
                self.rate = getattr(task, "rate", 0)
                return task
            self._receive()

    def observe(self, progress: JobProgress) -> None:
        """Tell a step, and hear whether to go on. Raises: Cancelled, TimedOut."""
        while select.select([0], [], [], 0)[0]:
            self._receive()
            for payload in self._frames:
                self._obey(_CONTROLS.decode(payload))
        step = Step(
            progress.phase.value,
            progress.bytes_done,
            progress.bytes_total,
            progress.files_done,
            progress.files_total,
        )
        if step != self._last:
            self._last = step
            self.say(step)

    def _receive(self) -> None:
        data = os.read(0, 1 << 16)
        if not data:
            raise Cancelled("the server is gone")
        self._frames.feed(data)

    def _obey(self, control: Control) -> None:
        if isinstance(control, Rate):
            self.rate = control.bytes_per_second
        elif isinstance(control, Stop):
            raise TimedOut(control.message) if control.timed_out else Cancelled(control.message)

    def say(self, message: msgspec.Struct) -> None:
        """Send a frame, whole."""
        view = memoryview(encode_frame(message))
        try:
            while view:
                view = view[os.write(self._answers, view) :]
        except BrokenPipeError as exc:
            raise Cancelled("the server is gone") from exc


def _is_clean(task: Task) -> bool:
    """Whether nothing of this process is left in the repository."""
    layout, scratch_dir = Layout(Path(task.repository)), getattr(task, "scratch_dir", None)
    if has_scratch_of(layout, Path(scratch_dir) if scratch_dir else None, os.getpid()):
        return False
    return not os.path.exists(layout.staging / str(os.getpid()))


def _database_of(task: Task) -> Path | None:
    """The database whose owner must not wait for this job; of a verification or drill, the node's own."""
    database = getattr(task, "database", "")
    return Path(database) if database else None


def main() -> int:
    """Do the one task. The exit status says only whether the outcome was told."""
    # The server decides when a job ends: a SIGTERM or Ctrl-C that reaches the whole service must not tear it down
    # half-way. A handler rather than SIG_IGN, which transfer workers would inherit and be harder to stop.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    server = _Server()
    try:
        task = server.task()
        if isinstance(task, CreateTask) or hasattr(task, "workers"):
            prepare_worker()
            signal.signal(signal.SIGINT, lambda *_: None)
        try:
            files = Files()
            governor = Governor(lambda: server.rate, lambda: find_gauge(files, _database_of(task)))
            outcome: msgspec.Struct = perform(files, task, observer=governor.watching(server.observe), rate=governor)
        except WalrusFastError as exc:
            outcome = Failed(error_body(exc), _is_clean(task))
        except OSError as exc:
            # What the core left untranslated; the operator still gets words, the log the traceback.
            sys.excepthook(type(exc), exc, exc.__traceback__)
            outcome = Failed(error_body(StorageError(str(exc), number=exc.errno or 0)), _is_clean(task))
        server.say(outcome)
    except (Cancelled, ProtocolViolation, msgspec.MsgspecError) as exc:
        print(f"job process: {exc}", file=sys.stderr)  # noqa: T201  (standard error is the server's log)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
