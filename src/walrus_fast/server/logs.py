"""Logging: text on a terminal, JSON otherwise; the job's id in every line of a job; levels by directives."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import queue
import re
import sys
import time
import traceback
from logging.handlers import QueueHandler, QueueListener
from typing import TYPE_CHECKING

import msgspec

from walrus_fast.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

__all__ = ["Logs", "job_context", "parse_directives"]

_JOB: contextvars.ContextVar[str] = contextvars.ContextVar("job", default="")
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 10,
}
_TARGET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:(?:\.|::|-)[A-Za-z0-9_]+)*")
_WAITING_LINES = 10_000
_COLOURS = {logging.DEBUG: "2", logging.INFO: "32", logging.WARNING: "33", logging.ERROR: "31"}


@contextlib.contextmanager
def job_context(job_id: str) -> Iterator[None]:
    """Every line logged in the block, in tasks started in it too, is of this job."""
    token = _JOB.set(job_id)
    try:
        yield
    finally:
        _JOB.reset(token)


def parse_directives(text: str) -> dict[str, int]:
    """`info,walrus_fast.server=debug` as logger -> level; "" is all others. The node's own spelling
    (`walrus_service::node=debug`) is understood as well.

    Raises: ConfigInvalid saying which part is wrong.
    """
    result: dict[str, int] = {}
    for part in (piece.strip() for piece in text.split(",")):
        target, equals, level = part.rpartition("=")
        if level.lower() not in _LEVELS or (equals and not _TARGET.fullmatch(target)):
            raise ConfigInvalid(
                f"{part!r} is no log directive",
                hint=f"A level ({', '.join(_LEVELS)}) or module=level, separated by commas.",
            )
        result[target.replace("::", ".")] = _LEVELS[level.lower()]
    return result


class _Queue(QueueHandler):
    """Hands lines to the thread that writes them: a reader of standard error that hangs stops no job. When it hangs
    for long, lines are dropped and counted."""

    queue: queue.SimpleQueue[logging.LogRecord]
    dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.message = record.getMessage()
        record.msg, record.args = record.message, None
        record.__dict__["job"] = _JOB.get()
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        if self.queue.qsize() < _WAITING_LINES:
            self.queue.put(record)
        else:
            self.dropped += 1


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "target": record.name,
            "message": record.message,
        }
        if job := getattr(record, "job", ""):
            line["job"] = job
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return msgspec.json.encode(line).decode()


class _Text(logging.Formatter):
    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        level = record.levelname.lower()[:5].ljust(5)
        if self._colour:
            level = f"\x1b[{_COLOURS.get(record.levelno, '0')}m{level}\x1b[0m"
        job = f" [{name}]" if (name := getattr(record, "job", "")) else ""
        line = f"{_time(record)} {level} {record.name.removeprefix('walrus_fast.')}{job}: {record.message}"
        if record.exc_info:
            line += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return line


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


class Logs:
    """The log of this process, from `start` to `stop`."""

    def __init__(self, directives: str, *, as_json: bool | None, stream: TextIO = sys.stderr) -> None:
        use_json = not stream.isatty() if as_json is None else as_json
        handler = logging.StreamHandler(stream)
        handler.setFormatter(_JsonLines() if use_json else _Text(colour=stream.isatty()))
        lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self._entry = _Queue(lines)
        self._writer = QueueListener(lines, handler)
        self._named: set[str] = set()
        self.directives = ""
        self.set_levels(directives)

    def set_levels(self, directives: str) -> None:
        """Put directives in force at once, in place of those before. Raises: ConfigInvalid; then nothing changed."""
        levels = parse_directives(directives)
        for name in self._named - set(levels):
            logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger().setLevel(levels.get("", logging.INFO))
        self._named = set(levels) - {""}
        for name in self._named:
            logging.getLogger(name).setLevel(levels[name])
        self.directives = directives

    def start(self) -> None:
        """Begin to log; the thread that writes is started."""
        logging.getLogger().addHandler(self._entry)
        self._writer.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        logging.getLogger().removeHandler(self._entry)
        self._writer.stop()
