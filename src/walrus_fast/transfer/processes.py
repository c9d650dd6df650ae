"""Doing tasks in worker processes.

Workers are forked from a fork server that has never had threads, so neither the event loop nor RocksDB can leave
a lock behind in them. Stopping kills them and waits for their end.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING

from walrus_fast.errors import WorkerDied
from walrus_fast.transfer.worker import prepare_worker, run_task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pebble import ProcessPool

    from walrus_fast.files import Files
    from walrus_fast.transfer.task import Answers, TransferTask

__all__ = ["WorkerProcesses"]

_ATTEMPTS = 2  # a task whose worker died is done once more, by another worker


class WorkerProcesses:
    """At most `workers` processes, started with the first task."""

    def __init__(self, files: Files, workers: int) -> None:
        self._files = files
        self._workers = workers
        self._pool: ProcessPool | None = None

    def close(self) -> None:
        """Kill what still works and wait for its end."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]  # pebble annotates everything but this
            self._pool.join()
            self._pool = None

    def run(self, tasks: Sequence[TransferTask], report: Callable[[], None], *, tick: float) -> list[Answers]:
        """The answers in the order of `tasks`; `report` is called every `tick` seconds.

        On any exception the workers are dead before it leaves here. Raises: StorageError, WorkerDied, and what
        `report` raises.
        """
        try:
            return self._run(tasks, report, tick)
        except BaseException:
            self.close()
            raise

    def _run(self, tasks: Sequence[TransferTask], report: Callable[[], None], tick: float) -> list[Answers]:
        from pebble import ProcessExpired  # noqa: PLC0415  (see _submit)

        answers: dict[int, Answers] = {}
        waiting = {self._submit(task): (task, 1) for task in tasks}
        while waiting:
            done, _ = wait(waiting, timeout=tick, return_when=FIRST_COMPLETED)
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

    def _submit(self, task: TransferTask) -> Future[Answers]:
        if self._pool is None:
            # With it come asyncio and ssl: 25 ms that every command would pay and only large transfers need.
            from pebble import ProcessPool  # noqa: PLC0415

            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["walrus_fast.transfer.worker"])
            self._pool = ProcessPool(max_workers=self._workers, initializer=prepare_worker, context=context)
        future: Future[Answers] = self._pool.schedule(run_task, args=(self._files, task))
        return future
