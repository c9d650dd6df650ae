"""Is a database the exact state after some step N? `python -m workload.prefix DIR --seed S` says.

Every key of every family is read and compared. Opening a database replays its logs and, unless it is opened
read-only, changes the folder: check copies, never what a writer still owns.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rocksdict import AccessType, DBRecoveryMode, Rdict

from workload.report import PrefixError, PrefixReport, Problem
from workload.settings import database_options, format_db_paths, parse_db_paths
from workload.states import CHURN_PREFIX, COUNTER, FAMILIES, PLAN, Plan, churn_families, churn_name, expected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rocksdict import Options

    from workload.settings import DataFolders

    Bounds = tuple[int | None, int | None]

REPOSITORY = Path(__file__).resolve().parent.parent
PER_FAMILY = 5
DEFAULT_TIMEOUT = 100.0


def check_prefix(
    db_dir: Path,
    seed: int,
    *,
    wal_dir: Path | None = None,
    db_paths: DataFolders = (),
    lower: int | None = None,
    upper: int | None = None,
    read_only: bool = False,
    absolute: bool = False,
) -> PrefixReport:
    """Compare `db_dir` with the state after the step that its counters name.

    Args:
        seed: what the writer was given; its other parameters are read from the key `plan`.
        wal_dir: where the logs are, if not in `db_dir`. What its OPTIONS file says is not looked at.
        db_paths: as the database had them. A copy with everything in one folder needs that folder once for
            each of them: RocksDB 9.8 reads beyond its list of paths (and crashes) if there are fewer.
        lower: N must be at least this, e.g. what was acknowledged before a snapshot began.
        upper: N must be at most this, e.g. one more than what was acknowledged after it ended.
        read_only: replay the logs in memory and leave the folder alone.
        absolute: refuse a log that ends in the middle of a record, instead of stopping there. Not for
            recycled logs: RocksDB does not recognise their end as one in this mode.

    Raises:
        PrefixError: with everything that differs.
    """

    def options() -> Options:
        fresh = database_options(wal_dir, db_paths)
        fresh.set_disable_auto_compactions(True)
        if absolute:
            fresh.set_wal_recovery_mode(DBRecoveryMode.absolute_consistency())
        return fresh

    access = AccessType.read_only(False) if read_only else AccessType.read_write()
    report = _inspect(db_dir, seed, options, access, (lower, upper))
    report.raise_if_wrong(db_dir)
    return report


def check_in_subprocess(
    db_dir: Path,
    seed: int,
    *,
    wal_dir: Path | None = None,
    db_paths: DataFolders = (),
    lower: int | None = None,
    upper: int | None = None,
    read_only: bool = False,
    absolute: bool = False,
    timeout: float = DEFAULT_TIMEOUT,
) -> PrefixReport:
    """The same as `check_prefix` in a process of its own, which RocksDB may take down with it."""
    command = [sys.executable, "-m", "workload.prefix", str(db_dir.absolute()), "--seed", str(seed), "--json"]
    given = {
        "--wal-dir": wal_dir and wal_dir.absolute(),
        "--db-paths": format_db_paths(db_paths) or None,
        "--lower": lower,
        "--upper": upper,
    }
    command += [f"{name}={value}" for name, value in given.items() if value is not None]
    command += [name for name, wanted in (("--read-only", read_only), ("--absolute", absolute)) if wanted]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        found = f"exit status {done.returncode}: {done.stderr[-2000:]}"
        report = PrefixReport(None, {}, {}, (Problem("", "", "a check that runs to its end", found),))
    else:
        report = PrefixReport.from_json(done.stdout)
    report.raise_if_wrong(db_dir)
    return report


def _inspect(
    db_dir: Path,
    seed: int,
    options: Callable[[], Options],
    access: AccessType,
    bounds: Bounds,
) -> PrefixReport:
    try:
        names = sorted(Rdict.list_cf(str(db_dir), options()))
        db = Rdict(str(db_dir), options(), {name: options() for name in names}, access)
    except Exception as error:  # noqa: BLE001 - rocksdict raises bare Exception; it is the finding
        return PrefixReport(None, {}, {}, (Problem("", "", "a database that opens", str(error)),))
    try:
        families = {name: db.get_column_family(name) for name in names if name != "default"}
        return _compare({"default": db, **families}, seed, bounds)
    finally:
        db.close()


def _compare(families: dict[str, Rdict], seed: int, bounds: Bounds) -> PrefixReport:
    """Find N and compare all the families with it."""
    counters = {name: _counter(family) for name, family in families.items()}
    step = counters["default"]
    if step is None:
        step = max((value for value in counters.values() if value is not None), default=0)
    plan = _plan(families["default"], seed)
    problems = [*_check_bounds(step, *bounds), *_check_names(set(families), plan, step)]
    keys = {}
    for name, family in families.items():
        if name in FAMILIES or _is_churn(name):
            keys[name], found = _compare_family(name, family, plan, step)
            problems += found
    return PrefixReport(step, keys, counters, tuple(problems))


def _counter(family: Rdict) -> int | None:
    data = family.get(COUNTER)
    return int(data) if data is not None and data.isdigit() else None


def _plan(default: Rdict, seed: int) -> Plan:
    """The database's plan, but with the seed that we were told: the comparison shows if it is another."""
    data = default.get(PLAN)
    try:
        return Plan(seed) if data is None else replace(Plan.decode(data), seed=seed)
    except (ValueError, TypeError):
        return Plan(seed)


def _is_churn(name: str) -> bool:
    return name.startswith(CHURN_PREFIX) and name.removeprefix(CHURN_PREFIX).isdigit()


def _check_bounds(step: int, lower: int | None, upper: int | None) -> Iterator[Problem]:
    if lower is not None and step < lower:
        yield Problem("", "", f"step {lower} or later, as that was acknowledged", f"step {step}")
    if upper is not None and step > upper:
        yield Problem("", "", f"step {upper} or earlier", f"step {step}")


def _check_names(names: set[str], plan: Plan, step: int) -> Iterator[Problem]:
    """Missing and unexpected families."""
    must, may = churn_families(plan, step)
    for name in [*FAMILIES, *(churn_name(born) for born in sorted(must))]:
        if name not in names:
            yield Problem(name, "", "the family to exist", "no such family")
    allowed = {*FAMILIES, *(churn_name(born) for born in may)}
    for name in sorted(names - allowed):
        wanted = f"only families that exist between steps {step} and {step + 1}"
        yield Problem(name, "", wanted, "the family")


def _compare_family(name: str, family: Rdict, plan: Plan, step: int) -> tuple[int, list[Problem]]:
    """How many keys there are, and the first few differences."""
    found, total, problems = _items(family), 0, list[Problem]()
    differences = 0

    def differ(key: bytes, wanted: bytes | None, seen: bytes | None) -> None:
        nonlocal differences
        differences += 1
        if differences <= PER_FAMILY or key == COUNTER:
            problems.append(Problem(name, _text(key), _show(wanted), _show(seen)))

    try:
        here = next(found, None)
        for key, value in expected(plan, name, step):
            while here is not None and here[0] < key:
                total += 1
                differ(here[0], None, here[1])
                here = next(found, None)
            if here is None or here[0] > key:
                differ(key, value, None)
                continue
            total += 1
            if here[1] != value:
                differ(key, value, here[1])
            here = next(found, None)
        while here is not None:
            total += 1
            differ(here[0], None, here[1])
            here = next(found, None)
    except Exception as error:  # noqa: BLE001 - rocksdict raises bare Exception; it is the finding
        problems.append(Problem(name, "", "readable data", str(error)))
    if differences > PER_FAMILY:
        problems.append(Problem(name, "", "no difference", f"{differences} in all"))
    return total, problems


def _items(family: Rdict) -> Iterator[tuple[bytes, bytes]]:
    """All keys in order. Not `Rdict.items()`, which takes an error of the iterator for the end."""
    cursor = family.iter()
    cursor.seek_to_first()
    while cursor.valid():
        yield cursor.key(), cursor.value()
        cursor.next()
    cursor.status()


def _text(data: bytes) -> str:
    return data.decode("ascii", "backslashreplace")


def _show(value: bytes | None) -> str:
    """A value for a message: short ones whole, long ones by their beginning and length."""
    if value is None:
        return "nothing"
    return repr(_text(value)) if len(value) <= 80 else f"{_text(value[:16])!r}… ({len(value)} bytes)"


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 exact, 1 not."""
    parser = argparse.ArgumentParser(prog="workload.prefix", description="Is this database an exact prefix?")
    add = parser.add_argument
    add("db_dir", type=Path)
    add("--seed", type=int, required=True)
    add("--wal-dir", type=Path)
    add("--db-paths", type=parse_db_paths, default=(), metavar="DIR:SIZE,DIR:SIZE")
    add("--lower", type=int, help="N must not be smaller")
    add("--upper", type=int, help="N must not be larger")
    add("--read-only", action="store_true", help="leave the folder as it is")
    add("--absolute", action="store_true", help="a log that ends in mid-record is an error")
    add("--json", action="store_true")
    given = vars(parser.parse_args(arguments))
    as_json = given.pop("json")
    try:
        report = check_prefix(**given)
        text = f"exact state after step {report.step}: {sum(report.keys.values())} keys"
    except PrefixError as error:
        report, text = error.report, str(error)
    print(report.to_json() if as_json else text)
    return 0 if report.exact else 1


if __name__ == "__main__":
    sys.exit(main())
