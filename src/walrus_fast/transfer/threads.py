"""Doing tasks in threads of this process.

Reads, writes and both checksums release the interpreter lock, so two threads keep two cores busy; they are there
in a millisecond, where worker processes take 300 to 450 ms to start and stop.
"""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from walrus_fast.transfer.worker import prepare_thread, run_task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walrus_fast.files import Files
    from walrus_fast.transfer.control import ControlBlock
    from walrus_fast.transfer.task import Answers, TransferTask

__all__ = ["run_in_threads"]


def run_in_threads(
    files: Files,
    tasks: Sequence[TransferTask],
    control: ControlBlock,
    report: Callable[[], None],
    *,
    workers: int,
    tick: float,
) -> list[Answers]:
    """The answers in the order of `tasks`; `report` is called every `tick` seconds.

    Whatever a task or `report` raises stops the others at their next chunk; no thread works when it leaves here.
    """
    with ThreadPoolExecutor(min(workers, len(tasks)), "transfer", prepare_thread) as threads:
        try:
            # Within the block: Ctrl-C may come as soon as the first task runs.
            waiting = futures = [threads.submit(run_task, files, task) for task in tasks]
            while waiting:
                done, _ = wait(waiting, timeout=tick, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
                waiting = [future for future in waiting if future not in done]
                report()
        except BaseException:
            control.stop()
            threads.shutdown(wait=True, cancel_futures=True)
            raise
        return [future.result() for future in futures]
