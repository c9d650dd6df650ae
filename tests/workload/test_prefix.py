"""The check passes exactly if the database is an exact prefix, and says precisely what differs."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest
from rocksdict import Rdict

from workload.driver import running_writer
from workload.prefix import check_in_subprocess, main
from workload.report import PrefixError
from workload.settings import database_options
from workload.states import BLOB_EVERY, BLOB_SLOTS, FAMILIES, Plan, blob_key, blob_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workload.report import PrefixReport

SEED = 21
CHURN = 400


class Killed(NamedTuple):
    """A database whose writer was killed, and the last step it acknowledged."""

    folder: Path
    step: int


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    folder = tmp_path_factory.mktemp("killed") / "db"
    with running_writer(folder, seed=SEED, families_churn=CHURN) as writer:
        writer.advance(6000)
        return Killed(folder, writer.kill())


@pytest.fixture
def copy(killed: Killed, tmp_path: Path) -> Path:
    return shutil.copytree(killed.folder, tmp_path / "copy")


def problems(folder: Path, lower: int | None = None, upper: int | None = None) -> PrefixReport:
    """The report of a check that must fail."""
    with pytest.raises(PrefixError) as caught:
        check_in_subprocess(folder, SEED, lower=lower, upper=upper)
    return caught.value.report


def tamper(folder: Path, change: Callable[[Rdict], None]) -> None:
    """Open the copy and change something behind the workload's back."""
    names = Rdict.list_cf(str(folder), database_options())
    db = Rdict(str(folder), database_options(), {name: database_options() for name in names})
    change(db)
    db.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_killed_writer_leaves_an_exact_prefix(tmp_path: Path, seed: int) -> None:
    steps = random.Random(seed).randrange(1, 20000)
    with running_writer(tmp_path / "db", seed=seed, families_churn=CHURN) as writer:
        writer.advance(steps)
        step = writer.kill()
    report = check_in_subprocess(tmp_path / "db", seed, lower=step, upper=step + 1)
    assert report.keys["appended"] == (report.step or 0) + 1
    assert {name for name in report.keys if name.startswith("churn_")}


def test_reading_only_leaves_the_folder_as_it_is(killed: Killed, copy: Path) -> None:
    before = contents(copy)
    report = check_in_subprocess(copy, SEED, lower=killed.step, upper=killed.step + 1, read_only=True, absolute=True)
    assert report.exact
    assert contents(copy) == before


def contents(folder: Path) -> dict[str, int]:
    """Sizes of the database's files, its diary apart."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if not path.name.startswith("LOG")}


def test_the_acknowledged_step_bounds_n(killed: Killed, copy: Path) -> None:
    report = problems(copy, lower=killed.step + 2)
    assert [problem.expected for problem in report.problems] == [
        f"step {killed.step + 2} or later, as that was acknowledged"
    ]
    assert problems(copy, upper=killed.step - 1).step == report.step


def test_a_deleted_key_is_reported(copy: Path) -> None:
    tamper(copy, lambda db: db.get_column_family("appended").delete(b"a000000000777"))
    (problem,) = problems(copy).problems
    assert (problem.family, problem.key, problem.found) == ("appended", "a000000000777", "nothing")


def test_an_undeleted_key_is_reported(copy: Path) -> None:
    tamper(copy, lambda db: db.get_column_family("deleted").put(b"d000000000005", b"5"))
    (problem,) = problems(copy).problems
    assert str(problem) == "deleted d000000000005: expected nothing, found '5'"


@pytest.mark.parametrize("family", ["default", "blobs", "small"])
def test_one_changed_counter_is_reported(killed: Killed, copy: Path, family: str) -> None:
    def set_back(db: Rdict) -> None:
        target = db if family == "default" else db.get_column_family(family)
        target.put(b"counter", b"%d" % (killed.step - 1))

    tamper(copy, set_back)
    report = problems(copy)
    assert len({report.counters[name] for name in FAMILIES}) == 2
    wrong = {problem.family for problem in report.problems}
    assert family in wrong or family == "default"


def test_an_old_blob_value_is_reported(killed: Killed, copy: Path) -> None:
    slot = 5
    last = killed.step // BLOB_EVERY - 1
    newest = (last - (last - slot) % BLOB_SLOTS + 1) * BLOB_EVERY
    old = blob_value(Plan(SEED, churn_every=CHURN), newest - BLOB_EVERY * BLOB_SLOTS)
    tamper(copy, lambda db: db.get_column_family("blobs").put(blob_key(slot), old))
    (problem,) = problems(copy).problems
    assert (problem.family, problem.key) == ("blobs", blob_key(slot).decode())
    assert problem.expected.startswith(f"'{newest}:")
    assert problem.found.startswith(f"'{newest - BLOB_EVERY * BLOB_SLOTS}:")


@pytest.mark.parametrize("name", ["small", "blobs"])
def test_a_missing_family_is_reported(copy: Path, name: str) -> None:
    tamper(copy, lambda db: db.drop_column_family(name))
    (problem,) = problems(copy).problems
    assert str(problem) == f"{name}: expected the family to exist, found no such family"


def test_families_of_another_time_are_reported(killed: Killed, copy: Path) -> None:
    report = check_in_subprocess(copy, SEED)
    alive = sorted(name for name in report.keys if name.startswith("churn_"))

    def exchange(db: Rdict) -> None:
        db.drop_column_family(alive[1])
        db.create_column_family("churn_400", database_options())
        db.create_column_family("stranger", database_options())

    tamper(copy, exchange)
    wrong = [(problem.family, problem.found) for problem in problems(copy).problems]
    assert (alive[1], "no such family") in wrong
    assert ("churn_400", "the family") in wrong
    assert ("stranger", "the family") in wrong


def logs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def test_a_missing_log_in_the_middle_is_reported(killed: Killed, tmp_path: Path) -> None:
    """RocksDB opens such a database, at the last step, and says nothing."""
    names = [log.name for log in logs(killed.folder)]
    assert len(names) > 4
    reports = []
    for name in names[-4:-1]:
        holed = shutil.copytree(killed.folder, tmp_path / f"without-{name}")
        (holed / name).unlink()
        reports.append(failure(holed))
    # Not each of them need be missed: all that it held may be in table files already.
    noticed = [report.step for report in reports if report]
    assert noticed
    assert set(noticed) <= {killed.step, killed.step + 1}


def shortened(folder: Path, scratch: Path) -> Iterator[Path]:
    """Copies without the newest two, three, … logs."""
    names = [log.name for log in logs(folder)]
    for missing in range(2, len(names)):
        short = shutil.copytree(folder, scratch / f"without-{missing}")
        for name in names[-missing:]:
            (short / name).unlink()
        yield short


def test_a_family_ahead_of_the_logs_is_reported(killed: Killed, tmp_path: Path) -> None:
    reports = [report for short in shortened(killed.folder, tmp_path) if (report := failure(short))]
    behind = [report for report in reports if len({report.counters[name] for name in FAMILIES}) > 1]
    assert behind, "no family was flushed before the last logs: the workload does not flush as it should"
    for report in behind:
        wrong = {problem.family for problem in report.problems if problem.key == "counter"}
        assert {name for name in FAMILIES if report.counters[name] != report.step} <= wrong


def failure(folder: Path) -> PrefixReport | None:
    """The report of a check that may fail."""
    try:
        check_in_subprocess(folder, SEED)
    except PrefixError as error:
        return error.report
    return None


def test_a_torn_last_record_is_the_prefix_before_it_unless_absolute(tmp_path: Path) -> None:
    """Without churn: the MANIFEST may know of a family that is older or younger than the step before."""
    copy = tmp_path / "db"
    with running_writer(copy, seed=SEED) as writer:
        writer.advance(1500)
        step = writer.kill()
    last = [log for log in logs(copy) if log.stat().st_size][-1]
    with last.open("r+b") as file:
        file.truncate(last.stat().st_size - 3)
    with pytest.raises(PrefixError, match="database that opens"):
        check_in_subprocess(copy, SEED, absolute=True, read_only=True)
    report = check_in_subprocess(copy, SEED, read_only=True)
    assert report.step in {step - 1, step}


def test_damage_in_a_table_or_blob_file_is_reported(copy: Path) -> None:
    for path in [*copy.glob("*.sst"), *copy.glob("*.blob")]:
        if data := bytearray(path.read_bytes()):
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
    report = problems(copy)
    assert any("orruption" in problem.found for problem in report.problems)


def test_another_seed_is_reported(copy: Path) -> None:
    with pytest.raises(PrefixError, match=r'default plan: expected .*"seed": 99.*"seed": 21'):
        check_in_subprocess(copy, 99)


def test_the_command_line(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(copy), "--seed", str(SEED), "--read-only"]) == 0
    assert capsys.readouterr().out.startswith("exact state after step ")
    assert main([str(copy), "--seed", "99", "--read-only"]) == 1
    assert "default plan" in capsys.readouterr().out
    assert main([str(copy / "nowhere"), "--seed", str(SEED), "--json"]) == 1
    assert '"step": null' in capsys.readouterr().out
