"""Who may work now: one job per repository, and no more worker processes over all jobs than the operator allows."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["Slots"]


@dataclass(eq=False)
class _Waiter:
    repository: str
    needs_workers: bool
    granted: asyncio.Future[int]


class Slots:
    """Hands out repositories and workers, first come, first served; a job whose repository is free may pass one
    that waits for another. `total` is asked at each turn, so that it can change while jobs run."""

    def __init__(self, total: Callable[[], int]) -> None:
        self._total = total
        self._busy: set[str] = set()
        self._waiters: list[_Waiter] = []
        self.workers_busy = 0

    @asynccontextmanager
    async def held(self, repository: str, *, needs_workers: bool) -> AsyncIterator[int]:
        """Wait for a turn; yields how many workers the job may have. Cancelling while waiting leaves the queue."""
        waiter = _Waiter(repository, needs_workers, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._hand_out()
        try:
            yield await waiter.granted
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.granted.cancelled():
                self._busy.discard(repository)
                self.workers_busy -= waiter.granted.result()
            self._hand_out()

    def _hand_out(self) -> None:
        startable: list[_Waiter] = []
        taken = set(self._busy)
        for waiter in self._waiters:
            if waiter.repository not in taken and not waiter.granted.done():
                taken.add(waiter.repository)
                startable.append(waiter)
        hungry = sum(waiter.needs_workers for waiter in startable)
        for waiter in startable:
            free = self._total() - self.workers_busy
            if waiter.needs_workers and free < 1:
                continue
            # A job alone gets all workers; jobs that begin together share them.
            workers = -(-free // hungry) if waiter.needs_workers else 0
            hungry -= waiter.needs_workers
            self._busy.add(waiter.repository)
            self.workers_busy += workers
            self._waiters.remove(waiter)
            waiter.granted.set_result(workers)
