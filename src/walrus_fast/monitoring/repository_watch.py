"""The newest survey of the repository, read off the loop: at start, after each job, and when somebody changed it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from walrus_fast.errors import RepositoryNotFound, WalrusFastError
from walrus_fast.protocol.jobs import error_body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from walrus_fast.protocol.jobs import ErrorBody
    from walrus_fast.protocol.survey import RepositorySurvey

__all__ = ["RepositoryWatch"]

_LOG = logging.getLogger(__name__)
_EVERY = 300.0  # seconds: what hard links pin changes with the database, without a sign
_IDLE_SHARE = 100  # times the duration of a survey that pass at least before one that nobody asked for
_GAP = 2.0  # times the duration of a survey that pass in any case


class RepositoryWatch:
    """`survey` is the newest one that could be made; `error` is why the last try could not. None: no repository is
    configured, or nothing was read yet."""

    def __init__(self, read: Callable[[], Awaitable[RepositorySurvey | None]]) -> None:
        self._read = read
        self._asked = asyncio.Event()
        self.survey: RepositorySurvey | None = None
        self.seconds = 0.0
        self.error: ErrorBody | None = None

    def look_soon(self) -> None:
        """Something has changed. To be called on the loop."""
        self._asked.set()

    async def run(self) -> None:
        """Survey and survey again until cancelled; cancelling ends the process that reads."""
        while True:
            self._asked.clear()
            await self._look()
            await asyncio.sleep(_GAP * self.seconds)
            try:
                async with asyncio.timeout(max(_EVERY, _IDLE_SHARE * self.seconds)):
                    await self._asked.wait()
            except TimeoutError:
                pass  # nobody asked: it is time all the same

    async def _look(self) -> None:
        started = time.monotonic()
        try:
            self.survey, self.error = self._or_gone(await self._read()), None
        except WalrusFastError as exc:
            if self.error is None or self.error.message != exc.message:
                _LOG.warning("the repository cannot be surveyed: %s", exc.message)
            self.error = error_body(exc)
        self.seconds = time.monotonic() - started

    def _or_gone(self, survey: RepositorySurvey | None) -> RepositorySurvey | None:
        """No repository where backups were is no news that there are none: its disk is not mounted, as a rule."""
        if self.survey is not None and self.survey.backups and survey is not None and not survey.there:
            raise RepositoryNotFound(
                "the repository is not there any more", hint="Is its disk mounted? The figures are those of before."
            )
        return survey
