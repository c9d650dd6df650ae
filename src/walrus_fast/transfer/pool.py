"""A bounded pool of worker processes for one operation.

Workers are forked from a fork server that has never had threads, so neither the event loop nor RocksDB can leave
a lock behind in them. Stopping the pool kills its workers and waits for their end: after `close`, nobody works.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, TypeAlias

from pebble import ProcessExpired, ProcessPool

from walrus_fast.errors import WorkerDied
from walrus_fast.transfer.control import ControlBlock, Progress
from walrus_fast.transfer.plan import plan_batches
from walrus_fast.transfer.task import FailedFile, TransferredFile, TransferTask
from walrus_fast.transfer.worker import prepare_worker, run_task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from walrus_fast.files import Files
    from walrus_fast.transfer.task import TransferItem

__all__ = ["TransferPool"]

# Below this a pool's start and end (some 300 ms with the fork server) cost more than a second worker brings.
_INLINE_BYTES = 256 << 20
_TICK = 0.1  # seconds between looks at the counters
_Answers: TypeAlias = list[TransferredFile | FailedFile]
_ATTEMPTS = 2  # a task whose worker died is done once more, by another worker


class TransferPool:
    """Runs transfers in at most `workers` processes; started when there is enough to do.

    `rate` is asked before each look at the counters: bytes a second for the whole pool, 0 for no limit; so it can
    change while a transfer runs. Not for use from two threads.
    """

    def __init__(self, files: Files, *, workers: int, rate: Callable[[], int] = lambda: 0) -> None:
        self._files = files
        self._workers = max(1, workers)
        self._rate = rate
        self._pool: ProcessPool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill what still works and wait for its end."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]  # pebble annotates everything but this
            self._pool.join()
            self._pool = None

    def run(
        self, items: Sequence[TransferItem], *, sync: bool, on_progress: Callable[[Progress], None]
    ) -> list[TransferredFile]:
        """Do every item; results in the order of `items`.

        `on_progress` is called about ten times a second; whatever it raises (a cancelled job, Ctrl-C) stops the
        transfer. On any exception the workers are killed and reaped before it leaves here.
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
                TransferTask(tuple(items[index] for index in batch), control.path, slot, sync, keep_going)
                for slot, batch in enumerate(batches)
            ]

            def report() -> None:
                rate = self._rate()
                control.set_rate(-(-rate // max(1, min(self._workers, len(tasks)))))
                bytes_done, files_done = control.done()
                on_progress(Progress(bytes_done, total, files_done, len(items)))

            answers = self._run_tasks(tasks, report, inline=total <= _INLINE_BYTES and not self._rate())
        results: dict[int, TransferredFile | FailedFile] = {}
        for batch, answer in zip(batches, answers, strict=True):
            results.update(zip(batch, answer, strict=True))
        return [results[index] for index in range(len(items))]

    def _run_tasks(self, tasks: list[TransferTask], report: Callable[[], None], *, inline: bool) -> list[_Answers]:
        report()
        if not inline:
            try:
                return self._run_in_workers(tasks, report)
            except BaseException:
                self.close()
                raise
        answers = []
        for task in tasks:
            answers.append(run_task(self._files, task))
            report()
        return answers

    def _run_in_workers(self, tasks: list[TransferTask], report: Callable[[], None]) -> list[_Answers]:
        answers: dict[int, _Answers] = {}
        waiting = {self._submit(task): (task, 1) for task in tasks}
        while waiting:
            done, _ = wait(waiting, timeout=_TICK, return_when=FIRST_COMPLETED)
            for future in done:
                task, attempt = waiting.pop(future)
                try:
                    answers[task.slot] = future.result()
                except ProcessExpired as exc:
                    if attempt == _ATTEMPTS:
                        raise WorkerDied(
                            f"a worker process died twice over {task.items[0].source} (exit status {exc.exitcode})"
                        ) from exc
                    waiting[self._submit(task)] = (task, attempt + 1)
            report()
        return [answers[task.slot] for task in tasks]

    def _submit(self, task: TransferTask) -> Future[_Answers]:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["walrus_fast.transfer.worker"])
            self._pool = ProcessPool(max_workers=self._workers, initializer=prepare_worker, context=context)
        future: Future[_Answers] = self._pool.schedule(run_task, args=(self._files, task))
        return future
