"""The probe's process: its death is a verdict, ours is its own, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.command import PROGRAM
from tests.verify.backups import back_up
from walrus_fast.errors import Cancelled, WorkerDied
from walrus_fast.files import Files
from walrus_fast.operations.progress import Phase
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.probe.messages import FamilyToOpen, ProbeRequest
from walrus_fast.probe.runner import run_probes
from walrus_fast.probe.running import RunningProbe
from walrus_fast.probe.stand_ins import BYTEWISE
from walrus_fast.repository.layout import Layout
from walrus_fast.repository.verification import Tier, load_record
from workload import shapes

if TYPE_CHECKING:
    from walrus_fast.operations.progress import JobProgress
    from walrus_fast.probe.running import ProbeVerdict

DEADLINE = 30.0


def request_of(database: Path, folder: Path, **changes: int) -> ProbeRequest:
    folder.mkdir(exist_ok=True)
    return ProbeRequest(str(database), (FamilyToOpen("default", BYTEWISE),), 1, True, str(folder), **changes)


def probe(request: ProbeRequest, **options: float) -> ProbeVerdict:
    (verdict,) = run_probes(1, prepare=lambda _: request, finished=lambda _: None, workers=1, **options)  # type: ignore[arg-type]
    return verdict


def probes_running() -> set[int]:
    """Probes that are children of this process, or orphans of ours."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"walrus_fast.probe\0" in path.read_bytes():
                found.add(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
    return found


def eventually(condition: object) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_crash_is_a_verdict(database: Path, tmp_path: Path) -> None:
    running = RunningProbe(request_of(database, tmp_path / "options"))
    os.kill(running._process.pid, signal.SIGSEGV)
    while running.listen():
        pass
    verdict = running.verdict()
    assert "RocksDB crashed (SIGSEGV) while" in verdict.failure
    assert verdict.sequence is None


def test_silence_is_a_verdict(database: Path, tmp_path: Path) -> None:
    verdict = probe(request_of(database, tmp_path / "options"), stall_seconds=0.0)
    assert "said nothing for" in verdict.failure
    assert not probes_running()


def test_a_probe_that_cannot_work_is_no_verdict(database: Path, tmp_path: Path) -> None:
    request = ProbeRequest(str(database), (FamilyToOpen("default", BYTEWISE),), 1, True, str(tmp_path / "missing"))
    with pytest.raises(WorkerDied, match="exit status 1"):
        probe(request)


def test_a_rate_slows_the_reading(tmp_path: Path) -> None:
    shapes.tables(tmp_path / "db", 2 << 20, file_size=1 << 20, value_size=4096)
    started = time.monotonic()
    verdict = probe(request_of(tmp_path / "db", tmp_path / "options", rate=1 << 20), rate=lambda: 1 << 20)  # type: ignore[arg-type]
    assert verdict.failure == ""
    assert time.monotonic() - started > 1.5
    assert verdict.families[0].bytes > 2 << 20


def test_a_cancelled_verification_kills_its_probes(repository: Path) -> None:
    def observer(progress: JobProgress) -> None:
        if progress.phase is Phase.PROVING and probes_running():
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        verify_backups(Files(), repository, tier=Tier.ROWS, observer=observer, rate=lambda: 100_000_000)
    assert not probes_running()
    assert not list((repository / ".walrus-fast").glob("scratch/*"))
    assert load_record(Files(), Layout(repository), 1).last is None


def test_a_killed_verification_leaves_only_a_scratch_that_the_next_one_sweeps(tmp_path: Path) -> None:
    shapes.tables(tmp_path / "db", 8 << 20, file_size=4 << 20)
    repository = tmp_path / "repo"
    back_up(tmp_path / "db", repository)
    before = {path.name for path in (repository / ".walrus-fast").iterdir()}
    scratch = repository / ".walrus-fast/scratch"
    # 8 MB are checked, then read by RocksDB, at 4 MB/s: there is time to kill it while the probe reads.
    arguments = ["--path", str(repository), "--tier", "rows", "--max-bytes-per-second", "4000000"]
    with subprocess.Popen([PROGRAM, "checkpoint", "verify", *arguments], stderr=subprocess.DEVNULL) as process:
        eventually(lambda: list(scratch.glob("*/*/db/CURRENT")) and probes_running())
        process.kill()
    eventually(lambda: not probes_running())
    assert {path.name for path in (repository / ".walrus-fast").iterdir()} - before == {"scratch"}
    (left,) = scratch.iterdir()
    # It pins nothing: table files are symbolic links.
    assert all(path.stat().st_nlink == 1 for path in (repository / "shared_checksum").iterdir())
    report = verify_backups(Files(), repository, tier=Tier.ROWS)
    assert not report.damaged
    assert not left.exists()


def test_a_running_reader_keeps_its_scratch(repository: Path) -> None:
    seen: list[Path] = []

    def observer(progress: JobProgress) -> None:
        if progress.phase is Phase.PROVING and not seen and list(repository.glob(".walrus-fast/scratch/*")):
            (mine,) = repository.glob(".walrus-fast/scratch/*")
            seen.append(mine)
            assert not verify_backups(Files(), repository, tier=Tier.OPENED).damaged
            assert mine.exists()

    assert not verify_backups(Files(), repository, tier=Tier.ROWS, observer=observer).damaged
    assert seen
