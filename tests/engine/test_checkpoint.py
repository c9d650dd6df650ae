"""Behaviours of RocksDB's `checkpoint_test.cc`, by their own names. `docs/behaviours.md` says where the others are."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from rocksdict import AccessType, Rdict

from tests.engine.rows import expected, fill, rows
from tests.engine.steps import back_up, bring_back, problems
from tests.support.databases import Template, check_killed
from tests.support.untouched import untouched
from walrus_fast.methods import TransferMode
from workload.driver import running_writer
from workload.prefix import check_in_subprocess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_checkpoint_with_blob(database: Path, repository: Path, tmp_path: Path) -> None:
    """CheckpointWithBlob: values in blob files come back, by links as well as by copies."""
    fill(database, 0, 200)
    for number, mode in enumerate((TransferMode.HARDLINK, TransferMode.COPY), 1):
        back_up(database, repository, mode)
        bring_back(repository, tmp_path / str(number), number)
        assert list((tmp_path / str(number)).glob("*.blob"))
        assert rows(tmp_path / str(number)) == expected((0, 200, "a"))


def test_checkpoint_cf_no_flush(database: Path, repository: Path, tmp_path: Path, seed: int) -> None:
    """CheckpointCFNoFlush: families that were never flushed come back from the logs, and nobody flushes for it."""
    with running_writer(database, seed=seed, rate=500, memtable_size=512 << 20) as writer:
        lower = writer.advance(300)
        back_up(database, repository)
        upper = writer.acknowledged + 1
        assert not list(database.glob("*.sst"))
    assert not list((repository / "shared_checksum").glob("*.sst"))
    bring_back(repository, tmp_path / "out")
    check_in_subprocess(tmp_path / "out", seed, lower=lower, upper=upper)


def test_checkpoint_read_only_db(
    copy_of: Callable[[str, Path], Path], templates: dict[str, Template], repository: Path, tmp_path: Path
) -> None:
    """CheckpointReadOnlyDB, CheckpointReadOnlyDBWithMultipleColumnFamilies: somebody has it open read-only,
    its log unflushed."""
    database = copy_of("killed", tmp_path / "db")
    reader = Rdict(str(database), access_type=AccessType.read_only(False))
    try:
        with untouched(database):
            back_up(database, repository)
    finally:
        reader.close()
    assert problems(repository) == {}
    bring_back(repository, tmp_path / "out")
    check_killed(tmp_path / "out", templates["killed"])


def test_prepared_transactions(database: Path, repository: Path, tmp_path: Path, transactions: Path) -> None:
    """CurrentFileModifiedWhileCheckpointing2PC: a log that a prepared transaction is in is needed until that is
    committed, however many flushes and newer logs there are; RocksDB says so in the MANIFEST."""
    with subprocess.Popen(
        [transactions, "prepare", database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "READY\n"
        back_up(database, repository)
        assert len(list((repository / "private" / "1").glob("*.log"))) >= 1
        owner.communicate()
    assert owner.returncode == 0
    assert problems(repository) == {}
    bring_back(repository, tmp_path / "out")
    done = subprocess.run(
        [transactions, "commit", tmp_path / "out"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done
    assert done.stdout == "prepared 1\nplain 2\n"
