"""The server's end of `mode: own`: opens the database in a process of its own and has it flushed before a backup."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING

from walrus_fast.errors import DatabaseError, DatabaseOwned

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Owner"]

_LOG = logging.getLogger(__name__)
_GONE = "its process ended without a word"
_STOP_TIMEOUT = 60.0  # seconds for RocksDB to close


class Owner:
    """One database, held open from `open` to `close`."""

    def __init__(self, database: Path, wal_dir: Path | None) -> None:
        self._database = database
        self._wal_dir = wal_dir
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Open the database. Raises: DatabaseOwned, DatabaseError with RocksDB's words."""
        command = (sys.executable, "-P", "-m", "walrus_fast.server.owner_process")
        self._process = await asyncio.create_subprocess_exec(
            *command,
            str(self._database),
            str(self._wal_dir or ""),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        answer = await self._hear()
        if answer != "ok":
            await self._process.wait()
            self._process = None
            kind = DatabaseOwned if "lock" in answer.lower() else DatabaseError
            raise kind(f"{self._database} cannot be opened: {answer}")
        _LOG.info("%s is open in process %d", self._database, self._process.pid)

    async def flush(self) -> None:
        """Write all memtables out; opens the database again if its process has died. Raises: as `open`."""
        async with self._turn:
            answer = await self._ask_to_flush()
            if answer == _GONE:
                _LOG.error("the process that holds %s has died; it is opened again", self._database)
                await self.open()
                answer = await self._ask_to_flush()
            if answer != "ok":
                raise DatabaseError(f"{self._database} cannot be flushed: {answer}")

    async def _ask_to_flush(self) -> str:
        if self._process is None or self._process.stdin is None or self._process.stdin.is_closing():
            return _GONE
        self._process.stdin.write(b"flush\n")
        return await self._hear()

    async def close(self) -> None:
        """Close the database; kills the process if that takes longer than a minute."""
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT)
        except TimeoutError:
            _LOG.error("%s does not close and its process is killed; it recovers at its next start", self._database)
            self._process.kill()
            await self._process.wait()

    async def _hear(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return line.decode("utf-8", "replace").strip().removeprefix("error ") or _GONE
