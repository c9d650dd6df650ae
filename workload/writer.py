"""The process that owns the database: `python -m workload.writer --db DIR --seed S …`.

Prints READY after READY_AFTER steps, publishes each acknowledged step in the progress file, and ends with 0
after SIGTERM or its last step, 3 with a traceback if RocksDB (or anything else) ever complained.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from contextlib import nullcontext
from typing import TYPE_CHECKING

from rocksdict import Rdict, WriteBatch, WriteOptions

from workload.progress import Progress
from workload.settings import Settings, family_options, parse_arguments
from workload.states import (
    CHURN_PREFIX,
    COUNTER,
    FAMILIES,
    PLAN,
    Delete,
    Plan,
    Put,
    churn_name,
    churn_written,
    operations,
)

if TYPE_CHECKING:
    from types import FrameType

    from rocksdict import ColumnFamily

READY_AFTER = 200
FAILED = 3
LONGEST_NAP = 0.05


class Writer:
    """An open database and the step it has reached."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._plan = settings.plan
        path = str(settings.db)
        exists = (settings.db / "CURRENT").exists()
        if exists and not settings.resume:
            raise FileExistsError(f"{path} is a database already: give --resume or another folder")
        families = set(FAMILIES)
        if exists:
            families |= set(Rdict.list_cf(path, family_options(settings, "default")))
        self._db = Rdict(
            path,
            family_options(settings, "default"),
            {name: family_options(settings, name) for name in families},
        )
        self._handles: dict[str, ColumnFamily] = {name: self._db.get_column_family_handle(name) for name in families}
        self._write_options = WriteOptions()
        self._write_options.sync = settings.sync_wal
        self.step = self._last_step()

    def _last_step(self) -> int:
        counter, plan = self._db.get(COUNTER), self._db.get(PLAN)
        if counter is None or plan is None:
            return 0
        if Plan.decode(plan) != self._plan:
            raise ValueError(f"the database was written with {plan!r}, not with {self._plan}")
        return int(counter)

    def advance(self) -> None:
        """Write the next step; on return it is acknowledged."""
        step = self.step + 1
        if self._plan.churn_every:
            self._change_families(churn_written(self._plan, step))
        batch = WriteBatch(raw_mode=True)
        handles = self._handles
        for operation in operations(self._plan, step):
            handle = handles[operation.family]
            if isinstance(operation, Put):
                batch.put(operation.key, operation.value, handle)
            elif isinstance(operation, Delete):
                batch.delete(operation.key, handle)
            else:
                batch.delete_range(operation.begin, operation.end, handle)
        self._db.write(batch, self._write_options)
        self.step = step
        every = self._settings.manual_flush_every
        if every and step % every == 0:
            self.flush()

    def _change_families(self, births: tuple[int, ...]) -> None:
        """Drop and create churn families until those exist that the next step writes to."""
        wanted = {churn_name(born) for born in births}
        present = {name for name in self._handles if name.startswith(CHURN_PREFIX)}
        for name in sorted(present - wanted):
            del self._handles[name]
            self._db.drop_column_family(name)
        for name in sorted(wanted - present):
            self._db.create_column_family(name, family_options(self._settings, name))
            self._handles[name] = self._db.get_column_family_handle(name)

    def flush(self) -> None:
        """Write every memtable to a table file."""
        for name in self._handles:
            self._db.get_column_family(name).flush()

    def close(self) -> None:
        """Give the database up."""
        self._handles.clear()
        self._db.close()


class _Stop:
    """Says when to stop: a signal, the last step, the time, or an orphaned process."""

    def __init__(self, settings: Settings) -> None:
        self._signalled = False
        self._last_step = settings.steps
        self._deadline = None if settings.seconds is None else time.monotonic() + settings.seconds
        self._parent = os.getppid() if settings.die_with_parent else None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = True

    def due(self, step: int) -> bool:
        """Whether `step` was the last one."""
        if self._signalled or (self._last_step is not None and step >= self._last_step):
            return True
        if step % 64:
            return False
        if self._parent is not None and os.getppid() != self._parent:
            return True
        return self._deadline is not None and time.monotonic() >= self._deadline

    def nap_until(self, moment: float) -> None:
        """Keep a `--rate`; wakes up now and then to look for a signal."""
        while not self._signalled and (delay := moment - time.monotonic()) > 0:
            time.sleep(min(delay, LONGEST_NAP))


def run(settings: Settings) -> None:
    """Open the database, write until told to stop, close it."""
    stop = _Stop(settings)
    writer = Writer(settings)
    with Progress(settings.progress) if settings.progress else nullcontext() as progress:
        first, start = writer.step, time.monotonic()
        if progress is not None:
            progress.value = first
        while not stop.due(writer.step):
            writer.advance()
            if progress is not None:
                progress.value = writer.step
            if writer.step == first + READY_AFTER:
                print("READY", flush=True)
            if settings.rate:
                stop.nap_until(start + (writer.step - first) / settings.rate)
        if writer.step < first + READY_AFTER:
            print("READY", flush=True)
        seconds = time.monotonic() - start
        writer.close()
    done = writer.step - first
    print(f"DONE step {writer.step}, {done / seconds if seconds else 0:.0f} steps/s", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 stopped as told, 3 anything went wrong."""
    settings = parse_arguments(arguments)
    try:
        run(settings)
    except Exception:  # noqa: BLE001 - rocksdict raises bare Exception; the traceback is the report
        traceback.print_exc()
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
