"""The contract of a transfer, for each way on each file system, in each kind of worker."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import crc32c
import pytest
import xxhash

from tests.support.faulty import ShortFiles
from walrus_fast.errors import StorageError, TransferModeUnsupported, WorkerDied
from walrus_fast.files import Files
from walrus_fast.methods import Method
from walrus_fast.transfer.control import ControlBlock, Progress
from walrus_fast.transfer.pool import TransferPool
from walrus_fast.transfer.processes import WorkerProcesses
from walrus_fast.transfer.task import TransferItem, TransferredFile, TransferTask

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.file_systems import MountedFolders

SIZES = [0, 1, 4095, 4096, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 3 << 20]
WORKS = {
    "plain": {Method.LINK, Method.COPY},
    "ext4": {Method.LINK, Method.COPY},
    "xfs": set(Method),
    "btrfs": set(Method),
    "no-links": {Method.COPY},
}
CASES = [(kind, method) for kind in WORKS for method in (Method.LINK, Method.REFLINK, Method.COPY)]


def make_sources(folder: Path, randomness: random.Random, sizes: list[int]) -> list[Path]:
    paths = []
    for index, size in enumerate(sizes):
        path = folder / f"{index:06d}.sst"
        path.write_bytes(randomness.randbytes(size))
        paths.append(path)
    return paths


def silent(progress: Progress) -> None:
    """Nobody looks."""


def assert_right(answers: list[TransferredFile], sources: list[Path]) -> None:
    for answer, source in zip(answers, sources, strict=True):
        data = source.read_bytes()
        assert (answer.size, answer.crc32c) == (len(data), crc32c.crc32c(data))
        assert answer.xxh3 == xxhash.xxh3_128_digest(data)


@pytest.mark.usefixtures("closes_descriptors")
@pytest.mark.parametrize(("kind", "method"), CASES)
def test_the_contract(mounted: MountedFolders, randomness: random.Random, kind: str, method: Method) -> None:
    folder = mounted(kind)
    (folder / "to").mkdir()
    sources = make_sources(folder, randomness, SIZES)
    items = [
        TransferItem(str(path), str(folder / "to" / path.name), path.stat().st_size, (method,)) for path in sources
    ]
    with TransferPool(Files(), workers=2) as pool:
        if method not in WORKS[kind]:
            with pytest.raises(TransferModeUnsupported, match=f"cannot {method}"):
                pool.run(items, sync=True, on_progress=silent)
            assert list((folder / "to").iterdir()) == []
            return
        answers = pool.run(items, sync=True, on_progress=silent)
    assert_right(answers, sources)
    assert {answer.method for answer in answers} == {method}
    for path in sources:
        assert (folder / "to" / path.name).read_bytes() == path.read_bytes()
        assert ((folder / "to" / path.name).stat().st_ino == path.stat().st_ino) == (method is Method.LINK)


def test_a_prefix_is_what_is_asked_for(tmp_path: Path, randomness: random.Random) -> None:
    (source,) = make_sources(tmp_path, randomness, [10_000])
    with TransferPool(Files(), workers=1) as pool:
        item = TransferItem(str(source), str(tmp_path / "target"), 1234, (Method.COPY,))
        (answer,) = pool.run([item], sync=False, on_progress=silent)
    assert (tmp_path / "target").read_bytes() == source.read_bytes()[:1234]
    assert answer.size == 1234


def test_short_reads_are_no_damage(tmp_path: Path, randomness: random.Random) -> None:
    sources = make_sources(tmp_path, randomness, [1000])
    with TransferPool(ShortFiles(), workers=1) as pool:
        item = TransferItem(str(sources[0]), str(tmp_path / "target"), 1000, (Method.COPY,))
        assert_right(pool.run([item], sync=False, on_progress=silent), sources)
    assert (tmp_path / "target").read_bytes() == sources[0].read_bytes()


def test_a_source_that_became_shorter_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"12345")
    item = TransferItem(str(tmp_path / "source"), str(tmp_path / "target"), 6, (Method.COPY,))
    with TransferPool(Files(), workers=1) as pool, pytest.raises(StorageError, match="ended at 5 of 6 bytes"):
        pool.run([item], sync=False, on_progress=silent)


def test_a_survey_goes_on_behind_what_it_cannot_read(tmp_path: Path, randomness: random.Random) -> None:
    sources = make_sources(tmp_path, randomness, [100, 200])
    items = [TransferItem(str(path), None, path.stat().st_size) for path in sources]
    items.insert(1, TransferItem(str(tmp_path / "missing"), None, 5))
    with TransferPool(Files(), workers=1) as pool:
        first, missing, last = pool.survey(items, on_progress=silent)
    assert isinstance(first, TransferredFile)
    assert isinstance(last, TransferredFile)
    assert "missing" in getattr(missing, "message", "")


def test_cancelled_at_a_random_moment_nothing_is_left(tmp_path: Path, randomness: random.Random) -> None:
    sources = make_sources(tmp_path, randomness, [2 << 20] * 12)
    target = tmp_path / "to"
    items = [TransferItem(str(path), str(target / path.name), path.stat().st_size, (Method.COPY,)) for path in sources]
    for _ in range(5):
        target.mkdir()
        limit = randomness.randrange(1, 24 << 20)

        def stop(progress: Progress, limit: int = limit) -> None:
            assert progress.bytes_done <= progress.bytes_total
            if progress.bytes_done >= limit:
                raise KeyboardInterrupt

        with (
            TransferPool(Files(), workers=2, rate=lambda: 200 << 20) as pool,
            pytest.raises(KeyboardInterrupt),
        ):
            pool.run(items, sync=False, on_progress=stop)
        for path in target.iterdir():
            assert path.read_bytes() == (tmp_path / path.name).read_bytes(), "half a file was left"
            path.unlink()
        target.rmdir()


class KillingFiles(Files):
    """Kills the worker that it is in, in the middle of a file, as often as there are files in `lives`."""

    def __init__(self, owner: int, lives: Path) -> None:
        self._owner = owner
        self._lives = lives

    def read_into(self, fd: int, buffer: memoryview) -> int:
        count = super().read_into(fd, buffer)
        if os.getpid() != self._owner and (left := sorted(self._lives.iterdir())):
            left[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return count


def in_processes(files: Files, tmp_path: Path, randomness: random.Random) -> list[TransferredFile]:
    sources = make_sources(tmp_path, randomness, [3 << 20, 100])
    items = [TransferItem(str(path), f"{path}.copy", path.stat().st_size, (Method.COPY,)) for path in sources]
    processes = WorkerProcesses(files, 2)
    try:
        with ControlBlock(files, 2) as control:
            tasks = [
                TransferTask((item,), os.getpid(), control.path, slot, sync=False, keep_going=False)
                for slot, item in enumerate(items)
            ]
            answers = processes.run(tasks, lambda: None, tick=0.05)
    finally:
        processes.close()
    found = [answer for batch in answers for answer in batch if isinstance(answer, TransferredFile)]
    assert_right(found, sources)
    return found


def workers_alive() -> list[str]:
    """Worker processes of this process's fork server."""
    mine = f"\nPPid:\t{os.getpid()}\n"
    servers = [path.parent.name for path in Path("/proc").glob("[0-9]*/status") if mine in read(path)]
    return [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/status")
        if any(f"\nPPid:\t{server}\n" in read(path) for server in servers) and "\nState:\tZ" not in read(path)
    ]


def read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # ended while we looked


@pytest.mark.parametrize("kills", [0, 1])
def test_a_killed_worker_is_replaced(tmp_path: Path, randomness: random.Random, kills: int) -> None:
    lives = tmp_path / "lives"
    lives.mkdir()
    for number in range(kills):
        (lives / str(number)).touch()
    in_processes(KillingFiles(os.getpid(), lives), tmp_path, randomness)
    assert list(lives.iterdir()) == []
    assert workers_alive() == []


def test_workers_that_always_die_are_given_up(tmp_path: Path, randomness: random.Random) -> None:
    lives = tmp_path / "lives"
    lives.mkdir()
    for number in range(10):
        (lives / str(number)).touch()
    with pytest.raises(WorkerDied, match="died twice"):
        in_processes(KillingFiles(os.getpid(), lives), tmp_path, randomness)
    assert workers_alive() == []


def test_the_rate_may_change_on_the_way(tmp_path: Path, randomness: random.Random) -> None:
    """At first so slow that it would take hours; lifted, it ends."""
    sources = make_sources(tmp_path, randomness, [1 << 20] * 3)
    items = [TransferItem(str(path), None, path.stat().st_size) for path in sources]
    looks: list[Progress] = []
    rate: Callable[[], int] = lambda: 100 if len(looks) < 5 else 0  # noqa: E731
    with TransferPool(Files(), workers=2, rate=rate) as pool:
        assert_right(pool.run(items, sync=False, on_progress=looks.append), sources)
    assert len(looks) >= 5
    assert looks[-1] == Progress(3 << 20, 3 << 20, 3, 3)
