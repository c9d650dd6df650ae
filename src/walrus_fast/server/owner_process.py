"""Holds a database open for the server (`mode: own`), in a process of its own.

Not in the server: closing any descriptor of LOCK in the process that owns a database drops its lock (POSIX), and
RocksDB's threads and memory stay out of the loop's process. Told over standard input, a word a line: `flush`. Answers a
line each: `ok`, or `error` and why. Ends, and closes the database, when standard input ends.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from rocksdict import Options, Rdict

__all__ = ["main"]


def _open(path: Path, wal_dir: str) -> Rdict:
    if not (path / "CURRENT").exists():
        raise FileNotFoundError(f"{path} is no database")
    options, families = Options.load_latest(str(path))
    options.create_if_missing(False)
    # A restored database's OPTIONS name the WAL folder of the one it was taken from; what is configured counts.
    if wal_dir:
        options.set_wal_dir(wal_dir)
    return Rdict(str(path), options, families)


def main(arguments: list[str]) -> int:
    """`owner_process DATABASE WAL_DIR`; WAL_DIR may be empty."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the server ends it, after the jobs that need it
    try:
        database = _open(Path(arguments[0]), arguments[1])
        families = [database.get_column_family(name) for name in Rdict.list_cf(arguments[0]) if name != "default"]
    except Exception as exc:  # noqa: BLE001  (rocksdict raises plain Exception)
        _say(f"error {_one_line(exc)}")
        return 1
    _say("ok")
    for line in sys.stdin:
        if line.strip() == "flush":
            try:
                database.flush(wait=True)
                for family in families:
                    family.flush(wait=True)
                _say("ok")
            except Exception as exc:  # noqa: BLE001  (the same)
                _say(f"error {_one_line(exc)}")
    del families
    database.close()
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
