"""`python -m bench`: build databases, hold the contests, store the results, write docs/benchmarks.md.

python -m bench                                   everything, some 15 minutes
python -m bench --only first,verify --rounds 9    contests whose key begins with one of these
python -m bench report RESULTS.json ...           the document again, from stored results of one machine
python -m bench compare OLD.json NEW.json         our medians before and after; refused across machines
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from bench.compare import comparison
from bench.report import write_report
from bench.results import DifferentMachines, load, merge, store
from bench.suite import Settings, run_suite

RESULTS = Path(__file__).resolve().parent / "results"
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def main(words: list[str]) -> int:
    """See the head of this file."""
    try:
        if words[:1] == ["report"]:
            write_report(merge([load(Path(word)) for word in words[1:]]), DOCUMENT)
        elif words[:1] == ["compare"]:
            old, new = (load(Path(word)) for word in words[1:3])
            print(comparison(old, new))
        else:
            _measure(words)
    except DifferentMachines as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


def _measure(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--scale", type=float, default=3.0, metavar="GB", help="size of the table and the blob database")
    add("--files", type=int, default=100_000, help="the largest database of many small files")
    add("--rounds", type=int, default=5, help="paired runs of each contest")
    add("--work", type=Path, default=Path("/var/tmp/walrus-fast-bench"), help="where the databases are built")
    add("--only", default="", metavar="KEYS", help="contests whose key begins with one of these, comma-separated")
    add("--no-report", action="store_true", help="store the results and leave docs/benchmarks.md as it is")
    given = parser.parse_args(words)
    only = tuple(key for key in given.only.split(",") if key)
    # Stopped from outside, the suite unmounts and removes what it made, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = Settings(given.scale, given.files, given.rounds, given.work.resolve(), only)
    results = run_suite(settings, RESULTS / "build", lambda so_far: store(so_far, RESULTS))
    print(store(results, RESULTS))
    if not given.no_report:
        write_report(results, DOCUMENT)
        print(DOCUMENT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
