"""Every option really does something to the files, and leaves an exact prefix."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from rocksdict import Rdict

from workload.driver import WriterOptions, running_writer
from workload.prefix import check_in_subprocess
from workload.settings import database_options

if TYPE_CHECKING:
    from pathlib import Path

RECYCLABLE = {5, 6, 7, 8}
TABLE_MAGIC = (0x88E241B785F4CFF7).to_bytes(8, "little")


def run(folder: Path, steps: int = 3000, **options: object) -> Path:
    """A database whose writer was killed after `steps`, checked read-only."""
    given: WriterOptions = options  # type: ignore[assignment]
    with running_writer(folder / "db", seed=8, **given) as writer:
        writer.advance(steps)
        step = writer.kill()
    check_in_subprocess(
        folder / "db",
        8,
        lower=step,
        upper=step + 1,
        read_only=True,
        wal_dir=given.get("wal_dir"),
        db_paths=given.get("db_paths", ()),
    )
    return folder / "db"


def stored_options(db: Path, name: str) -> set[str]:
    """All the values of an option in the newest OPTIONS file."""
    newest = max(db.glob("OPTIONS-*"), key=lambda path: path.name)
    return set(re.findall(rf"^\s*{name}=(.*)$", newest.read_text(), re.MULTILINE))


def record_types(db: Path) -> set[int]:
    """The types of the first records of all the logs."""
    heads = [log.read_bytes()[:7] for log in db.glob("*.log")]
    return {head[6] for head in heads if len(head) == 7}


def diary(db: Path) -> str:
    """RocksDB's LOG."""
    return (db / "LOG").read_text(errors="replace")


def test_the_defaults_flush_compact_and_collect_blobs(tmp_path: Path) -> None:
    db = run(tmp_path, 15000)
    assert stored_options(db, "recycle_log_file_num") == {"0"}
    assert stored_options(db, "enable_blob_garbage_collection") == {"true", "false"}
    assert record_types(db) <= {1, 2}
    assert list(db.glob("*.blob"))
    text = diary(db)
    assert text.count('"event": "flush_finished"') > 10
    assert text.count('"event": "compaction_finished"') > 5
    assert text.count('"event": "blob_file_deletion"') > 2
    assert text.count('"event": "table_file_deletion"') > 5
    assert len(list(db.glob("*.log"))) > 2


def test_recycled_logs(tmp_path: Path) -> None:
    db = run(tmp_path, 15000, recycle_logs=2)
    assert stored_options(db, "recycle_log_file_num") == {"2"}
    assert record_types(db) <= RECYCLABLE
    assert "reusing log" in diary(db)


def test_a_recycled_log_in_use_ends_in_its_former_life(tmp_path: Path) -> None:
    with running_writer(tmp_path / "db", seed=8, recycle_logs=2) as writer:
        found = False
        for _ in range(40):
            writer.advance(300)
            found = found or stale_tail(max((tmp_path / "db").glob("*.log"), key=lambda log: log.name))
    assert found, "the newest log never held records of an older one"


def stale_tail(log: Path) -> bool:
    """Whether a block of `log` begins with a recyclable record of another log number.

    Only the log in use can: RocksDB cuts it to its length when it closes it.
    """
    try:
        data, number = log.read_bytes(), int(log.stem)
    except FileNotFoundError:
        return False
    heads = [data[at : at + 11] for at in range(0, len(data) - 11, 32 << 10)]
    return any(head[6] in RECYCLABLE and int.from_bytes(head[7:], "little") != number for head in heads)


def test_a_small_manifest_rolls_over(tmp_path: Path) -> None:
    seen = set()
    with running_writer(tmp_path / "db", seed=8, max_manifest_size=4000) as writer:
        for _ in range(12):
            writer.advance(2000)
            seen.add((tmp_path / "db" / "CURRENT").read_text())
    assert len(seen) > 2
    assert stored_options(tmp_path / "db", "max_manifest_file_size") == {"4000"}


def test_logs_in_a_folder_of_their_own(tmp_path: Path) -> None:
    db = run(tmp_path, wal_dir=tmp_path / "wal")
    assert list((tmp_path / "wal").glob("*.log"))
    assert not list(db.glob("*.log"))
    assert stored_options(db, "wal_dir") == {str(tmp_path / "wal")}


def test_dead_logs_in_the_archive(tmp_path: Path) -> None:
    db = run(tmp_path, 15000, wal_ttl=3600)
    assert list((db / "archive").glob("*.log"))


def test_tables_in_several_folders(tmp_path: Path) -> None:
    folders = ((tmp_path / "fast", 200_000), (tmp_path / "slow", 10**12))
    db = run(tmp_path, 15000, db_paths=folders)
    assert all(list(path.glob("*.sst")) for path, _ in folders)
    assert list((tmp_path / "fast").glob("*.blob"))
    assert not list(db.glob("*.sst"))
    gathered = tmp_path / "gathered"
    gathered.mkdir()
    for path in [*db.iterdir(), *(tmp_path / "fast").iterdir(), *(tmp_path / "slow").iterdir()]:
        (gathered / path.name).write_bytes(path.read_bytes())
    twice = ((gathered, 200_000), (gathered, 10**12))
    assert check_in_subprocess(gathered, 8, db_paths=twice).exact, "as a restore does it: all in one folder"


def test_families_come_and_go(tmp_path: Path) -> None:
    seen: set[str] = set()
    with running_writer(tmp_path / "db", seed=8, families_churn=300) as writer:
        for _ in range(6):
            writer.advance(300)
            seen.update(Rdict.list_cf(str(tmp_path / "db"), database_options()))
        last = writer.kill()
    now = set(check_in_subprocess(tmp_path / "db", 8, lower=last, upper=last + 1).keys)
    assert {name for name in seen if name.startswith("churn_")} - now, "none was dropped"
    assert {name for name in now if name.startswith("churn_")}, "none is there"


def test_tables_for_rocksdb_7_8(tmp_path: Path) -> None:
    db = run(tmp_path, format_version=5)
    assert stored_options(db, "format_version") == {"5"}
    tails = [path.read_bytes()[-12:] for path in db.glob("*.sst")]
    # The kill leaves tables behind that were not finished.
    assert {tail[:4] for tail in tails if tail.endswith(TABLE_MAGIC)} == {(5).to_bytes(4, "little")}


def test_tables_of_the_default_format(tmp_path: Path) -> None:
    assert stored_options(run(tmp_path), "format_version") == {"6"}


def test_manual_and_atomic_flush(tmp_path: Path) -> None:
    db = run(tmp_path, manual_flush_every=250, atomic_flush=True)
    assert stored_options(db, "atomic_flush") == {"true"}
    assert diary(db).count("Manual flush") >= 12


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_synced_log(tmp_path: Path) -> None:
    """Each step is one fdatasync or more; nothing in the files shows it, so the calls are counted.

    A call or two may be under way when strace comes and when it goes.
    """
    trace = tmp_path / "trace"
    with running_writer(tmp_path / "db", seed=8, sync_wal=True, memtable_size=64 << 20) as writer:
        command = ["strace", "-f", "-e", "trace=fdatasync,fsync", "-o", str(trace), "-p", str(writer.pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            said = strace.stderr.readline()
            if "attached" not in said:
                pytest.skip(f"strace cannot attach: {said}")
            writer.advance(100)
            strace.terminate()
    assert trace.read_text().count("sync(") >= 90


def test_value_scale(tmp_path: Path) -> None:
    small, large = (run(tmp_path / str(scale), value_scale=scale) for scale in (0.25, 4.0))
    sizes = [sum(path.stat().st_size for path in db.glob("*.blob")) for db in (small, large)]
    assert sizes[1] > 4 * sizes[0] > 0


def test_rate_and_seconds(tmp_path: Path) -> None:
    with running_writer(tmp_path / "db", seed=8, rate=1000.0, seconds=1.0) as writer:
        assert 500 <= writer.wait() <= 1100
