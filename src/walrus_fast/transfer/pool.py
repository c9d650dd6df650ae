"""A bounded pool of workers for one operation: the calling thread, threads, or processes, by how much there is to do.

After `close`, or an exception, nobody works.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from walrus_fast.transfer.control import ControlBlock, Progress
from walrus_fast.transfer.plan import plan_batches
from walrus_fast.transfer.processes import WorkerProcesses
from walrus_fast.transfer.task import FailedFile, TransferredFile, TransferTask
from walrus_fast.transfer.threads import run_in_threads
from walrus_fast.transfer.worker import run_task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from walrus_fast.files import Files
    from walrus_fast.transfer.task import Answers, TransferItem

__all__ = ["TransferPool"]

# Measured on two cores: threads cost a millisecond, processes 300 to 450 ms, as much as moving a gigabyte that is in
# memory. 8 GiB is a judgement: there that cost is lost in the noise, and killing a process stops what no flag can.
_INLINE_BYTES = 16 << 20
_THREADS_BYTES = 8 << 30
_TICK = 0.1  # seconds between looks at the counters


class TransferPool:
    """Runs transfers in at most `workers` threads or processes; started when there is enough to do.

    `rate` is asked before each look at the counters: bytes a second for the whole pool, 0 for no limit; so it can
    change while a transfer runs. Not for use from two threads.
    """

    def __init__(self, files: Files, *, workers: int, rate: Callable[[], int] = lambda: 0) -> None:
        self._files = files
        self._workers = max(1, workers)
        self._rate = rate
        self._processes = WorkerProcesses(files, self._workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill what still works and wait for its end."""
        self._processes.close()

    def run(
        self, items: Sequence[TransferItem], *, sync: bool, on_progress: Callable[[Progress], None]
    ) -> list[TransferredFile]:
        """Do every item; results in the order of `items`.

        `on_progress` is called about ten times a second; whatever it raises (a cancelled job, Ctrl-C) stops the
        transfer. On any exception processes are killed and reaped, threads ended, before it leaves here.
        Raises: StorageError, WorkerDied, and what `on_progress` raises.
        """
        answers = self._run(items, sync=sync, keep_going=False, on_progress=on_progress)
        return [answer for answer in answers if isinstance(answer, TransferredFile)]

    def survey(
        self, items: Sequence[TransferItem], *, on_progress: Callable[[Progress], None]
    ) -> list[TransferredFile | FailedFile]:
        """As `run`, but a file that cannot be read is an answer, not an end."""
        return self._run(items, sync=False, keep_going=True, on_progress=on_progress)

    def _run(
        self,
        items: Sequence[TransferItem],
        *,
        sync: bool,
        keep_going: bool,
        on_progress: Callable[[Progress], None],
    ) -> list[TransferredFile | FailedFile]:
        batches = plan_batches(items)
        total = sum(item.size for item in items)
        with ControlBlock(self._files, len(batches)) as control:
            tasks = [
                TransferTask(tuple(items[index] for index in batch), os.getpid(), control.path, slot, sync, keep_going)
                for slot, batch in enumerate(batches)
            ]

            def report() -> None:
                rate = self._rate()
                control.set_rate(-(-rate // max(1, min(self._workers, len(tasks)))))
                bytes_done, files_done = control.done()
                on_progress(Progress(bytes_done, total, files_done, len(items)))

            answers = self._run_tasks(tasks, control, report)
        results: dict[int, TransferredFile | FailedFile] = {}
        for batch, answer in zip(batches, answers, strict=True):
            results.update(zip(batch, answer, strict=True))
        return [results[index] for index in range(len(items))]

    def _run_tasks(self, tasks: list[TransferTask], control: ControlBlock, report: Callable[[], None]) -> list[Answers]:
        report()
        total = sum(item.size for task in tasks for item in task.items)
        if total <= _INLINE_BYTES and not self._rate():
            answers = [run_task(self._files, task) for task in tasks]
            report()
            return answers
        if total <= _THREADS_BYTES:
            return run_in_threads(self._files, tasks, control, report, workers=self._workers, tick=_TICK)
        return self._processes.run(tasks, report, tick=_TICK)
