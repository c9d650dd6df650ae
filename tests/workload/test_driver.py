"""The driver: a writer that fails is noticed, a writer that is stopped leaves nothing behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from workload.driver import WriterError, running_writer
from workload.prefix import check_in_subprocess
from workload.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


def test_stop_leaves_the_last_acknowledged_step(tmp_path: Path) -> None:
    with running_writer(tmp_path / "db", seed=1) as writer:
        assert writer.acknowledged >= 200
        assert writer.advance(500) >= 700
        writer.assert_alive()
        os.kill(writer.pid, 0)
        step = writer.stop()
        assert not writer.running
        assert writer.stderr == ""
    assert check_in_subprocess(tmp_path / "db", 1, lower=step, upper=step).exact


def test_resume_goes_on_where_the_killed_writer_stopped(tmp_path: Path) -> None:
    steps = []
    for _ in range(3):
        with running_writer(tmp_path / "db", seed=4, families_churn=150, resume=True) as writer:
            writer.advance(700)
            steps.append(writer.kill())
    assert steps[2] > steps[1] > steps[0]
    assert check_in_subprocess(tmp_path / "db", 4, lower=steps[2], upper=steps[2] + 1).exact


def test_an_existing_database_is_not_overwritten(tmp_path: Path) -> None:
    with running_writer(tmp_path / "db", seed=1, steps=300) as writer:
        assert writer.wait() == 300
    with pytest.raises(WriterError, match="is a database already"), running_writer(tmp_path / "db", seed=1):
        pytest.fail("must not start")
    with (
        pytest.raises(WriterError, match="the database was written with"),
        running_writer(tmp_path / "db", seed=2, resume=True),
    ):
        pytest.fail("must not start")


def test_a_writer_that_meets_an_error_ends_with_3_and_its_traceback(tmp_path: Path) -> None:
    with running_writer(tmp_path / "db", seed=1) as writer:
        (tmp_path / "db").rename(tmp_path / "gone")
        with pytest.raises(WriterError, match="did not reach step"):
            writer.advance(10**9)
        with pytest.raises(WriterError, match=r"status 3\n(?s:.*)Traceback(?s:.*)No such file"):
            writer.finish()


def test_leaving_the_block_notices_a_writer_that_failed(tmp_path: Path) -> None:
    def rename_the_database() -> None:
        with running_writer(tmp_path / "db", seed=1) as writer:
            (tmp_path / "db").rename(tmp_path / "gone")
            with pytest.raises(WriterError, match="did not reach step"):
                writer.advance(10**9)

    with pytest.raises(WriterError, match="status 3"):
        rename_the_database()


def test_an_error_in_the_block_kills_the_writer(tmp_path: Path) -> None:
    pids = []

    def fail() -> None:
        with running_writer(tmp_path / "db", seed=1) as writer:
            pids.append(writer.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(WriterError, match="unrecognized arguments"),
        running_writer(tmp_path / "db", seed=1, nonsense=1),  # type: ignore[call-arg]
    ):
        pytest.fail("must not start")


def test_progress_is_shared_and_little_endian(tmp_path: Path) -> None:
    with Progress(tmp_path / "p") as writer, Progress(tmp_path / "p") as reader:
        assert reader.value == 0
        writer.value = 2**40 + 7
        assert reader.value == 2**40 + 7
        assert (tmp_path / "p").read_bytes() == (2**40 + 7).to_bytes(8, "little")
