"""A build of the extension in which memory runs out, calls are interrupted, and reads and writes fail or are short."""

from __future__ import annotations

import ctypes
import errno
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.native.support import CLEAN, file_of, picture
from tests.oracle import encode as e
from tests.oracle.manifest import ManifestTwin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

HERE = Path(__file__).parent
COMPILER = os.environ.get("CC") or shutil.which("cc") or ""
FLAGS = "-std=c11 -g -O1 -fPIC -shared -fvisibility=hidden -DPy_LIMITED_API=0x030B0000 -D_GNU_SOURCE=1 "
FLAGS += os.environ.get("WALRUS_TEST_CFLAGS", "")  # native/sanitize.sh sets this
NEVER = {"allocations": -1, "reads": -1, "writes": -1, "errno": 0, "choppy": 0, "old_kernel": 0}

pytestmark = pytest.mark.skipif(not COMPILER, reason="needs a C compiler")


class Faulty:
    def __init__(self, module: ModuleType, library: ctypes.CDLL) -> None:
        self.native: Any = module
        self.library = library

    def set(self, **faults: int) -> None:
        for name, value in {**NEVER, **faults}.items():
            kind = ctypes.c_long if name in ("allocations", "reads", "writes") else ctypes.c_int
            kind.in_dll(self.library, f"faults_{name}").value = value


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Faulty:
    target = tmp_path_factory.mktemp("faulty") / "_native.so"
    sources = sorted((HERE.parent.parent / "native").glob("*.c"))
    include: list[str | Path] = ["-I", sysconfig.get_path("include"), "-I", HERE, "-include", HERE / "faults.h"]
    command: list[str | Path] = [COMPILER, *FLAGS.split(), *include, *sources, HERE / "faults.c", "-o", target]
    subprocess.run(command, check=True)
    loader = importlib.machinery.ExtensionFileLoader("_native", str(target))
    spec = importlib.util.spec_from_loader("_native", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return Faulty(module, ctypes.CDLL(str(target)))


@pytest.fixture
def faulty(build: Faulty) -> Iterator[Faulty]:
    build.set()
    yield build
    build.set()
    assert ctypes.c_long.in_dll(build.library, "faults_outstanding").value == 0, "memory was not freed"


def every_failure(faulty: Faulty, run: Callable[[], object], fault: str = "allocations", number: int = 0) -> int:
    """Lets the first, second, … call fail until `run` does not reach it; returns how many there were."""
    for n in range(10_000):
        faulty.set(**{fault: n, "errno": number})
        result = None
        try:
            result = run()
        except MemoryError:
            pass
        except OSError as exc:
            if exc.errno != number:
                raise
        faulty.set()
        if result is not None:
            return n
    raise AssertionError("no end")


def log() -> list[bytes]:
    """Makes every table grow, and changes everything that can be taken back."""
    edits = [e.header("first")]
    for n in range(1, 20):
        files = b"".join(e.new_file(n * 100 + k) + e.new_blob(n * 100 + k) for k in range(9))
        edits += [e.add_family(n, f"family {n}"), e.family(n, files), e.wal_added(n)]
    change = e.drop_file(500) + e.new_file(500, level=2) + e.garbage(500, 1, 1) + e.tagged(1, b"other") + e.tagged(2, 7)
    group = [e.family(5, change), e.header("second"), e.drop_family(6), e.add_family(6, "new"), e.wal_added(3, 9)]
    group += [e.wals_deleted(3), e.header("third"), e.family(7, e.tagged(1, b"a") + e.tagged(1, b"b"))]
    edits += [e.grouped(edit, len(group) - 1 - n) for n, edit in enumerate(group)]
    return [*edits, e.tagged(8192, bytes(70_000)), e.header("last")]


def pictures(data: bytes) -> dict[int, dict[str, Any]]:
    """What a replay shows, apart from its verdict, at each offset where it may stop."""
    twin, found = ManifestTwin(), {}
    writer = e.LogWriter()
    for end in [0, *(len(writer.add(edit).data) for edit in log())]:
        twin.feed(data[:end])
        found[twin.offset] = without_verdict(picture(twin))
    return found


def without_verdict(shown: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if key not in ("state", "reason")}


def test_replay_without_memory(faulty: Faulty) -> None:
    data = e.log_of(log())
    expected = pictures(data)
    seen: set[int] = set()

    def run() -> object:
        replay = faulty.native.ManifestReplay()
        try:
            replay.feed(fd)
        except MemoryError:
            faulty.set()
            assert without_verdict(picture(replay)) == expected[replay.offset]
            seen.add(replay.offset)
            replay.feed(fd)
            assert without_verdict(picture(replay)) == expected[len(data)]
            assert replay.state == CLEAN
            return None
        return replay

    with file_of(data) as fd:
        assert every_failure(faulty, run) > 60
    assert len(seen) > 20


def test_listings_without_memory(faulty: Faulty) -> None:
    replay = faulty.native.ManifestReplay()
    with file_of(e.log_of(log())) as fd:
        replay.feed(fd)
    for method in ("families", "tables", "blobs", "wals"):
        complete = getattr(replay, method)()
        assert every_failure(faulty, getattr(replay, method)) > 0
        assert getattr(replay, method)() == complete


def test_batches_without_memory(faulty: Faulty, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(e.table({"rocksdb.original.file.number": b"\5"}, gap=40_000))
    names = [tmp_path / "t", tmp_path / "none"]
    for function in (faulty.native.stat_files, faulty.native.sync_files, faulty.native.unlink_files):
        assert every_failure(faulty, partial(function, -100, names[1:])) == 1
    assert every_failure(faulty, lambda: faulty.native.link_files(-100, names[1:], -100, names[1:])) == 1
    faulty.set(allocations=1)  # the first one is the list of results
    assert [status for status, *_ in faulty.native.table_identities(-100, names)] == [errno.ENOMEM, errno.ENOENT]


def test_interrupted_and_short_reads(faulty: Faulty, tmp_path: Path) -> None:
    data = e.log_of(log())
    faulty.set(choppy=1)
    replay = faulty.native.ManifestReplay()
    with file_of(data) as fd:
        replay.feed(fd)
    assert without_verdict(picture(replay)) == pictures(data)[len(data)]
    wal = e.log_of([e.batch(n, 1, bytes(n * 50)) for n in range(500)])
    with file_of(wal) as fd:
        assert faulty.native.scan_wal(fd, 1) == (len(wal), 500, 499, CLEAN, 0)
    (tmp_path / "t").write_bytes(e.table({"rocksdb.original.file.number": b"\5"}, gap=40_000))
    assert faulty.native.table_identities(-100, [tmp_path / "t"]) == [(0, "", "", 5)]
    assert faulty.native.sync_files(-100, [tmp_path / "t", tmp_path]) == [0, 0]


def test_a_sync_that_fails_is_said_of_its_file(faulty: Faulty, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    faulty.set(writes=0, errno=errno.EIO)
    assert faulty.native.sync_files(-100, [source, source]) == [errno.EIO, 0]


def test_read_errors_anywhere(faulty: Faulty, tmp_path: Path) -> None:
    data = e.log_of([*log(), *[e.tagged(8192, bytes(1 << 20))] * 3]) + bytes(3 << 20)
    with file_of(data) as fd:
        assert every_failure(faulty, lambda: feed_new(faulty, fd), "reads", errno.EIO) > 3
        assert every_failure(faulty, lambda: faulty.native.scan_wal(fd, 1), "reads", errno.EIO) > 0
        faulty.set(reads=2)  # as if the file had become shorter
        replay = feed_new(faulty, fd)
        assert (replay.state, replay.reason[:17]) == (1, "unfinished record")
    (tmp_path / "t").write_bytes(e.table({"rocksdb.original.file.number": b"\5"}, gap=40_000))
    statuses = []
    for n in range(3):
        for number in (errno.EIO, 0):
            faulty.set(reads=n, errno=number)
            statuses.append(faulty.native.table_identities(-100, [tmp_path / "t"])[0][0])
    assert statuses == [errno.EIO, -1, errno.EIO, -1, 0, 0]


def feed_new(faulty: Faulty, fd: int) -> Any:
    replay = faulty.native.ManifestReplay()
    replay.feed(fd)
    return replay


def test_rename_without_the_flag(faulty: Faulty, tmp_path: Path) -> None:
    faulty.set(old_kernel=1)
    (tmp_path / "a").write_text("a")
    assert faulty.native.rename_files(-100, [tmp_path / "a"], -100, [tmp_path / "b"]) == [0]
    assert (tmp_path / "b").read_text() == "a"
    with pytest.raises(OSError, match="Invalid argument"):
        faulty.native.exchange(-100, tmp_path / "b", -100, tmp_path / "c")


def test_a_kernel_that_does_not_count_cached_pages(faulty: Faulty, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(10 * 4096))
    with (tmp_path / "file").open("rb") as file:
        known = faulty.native.resident_pages(file.fileno(), 0, 10 * 4096)
        faulty.set(old_kernel=1)
        assert faulty.native.resident_pages(file.fileno(), 0, 10 * 4096) == known == b"\1" * 10
    reading, writing = os.pipe()
    with pytest.raises(OSError) as caught:
        faulty.native.resident_pages(reading, 0, 4096)
    os.close(reading)
    os.close(writing)
    assert caught.value.errno == errno.ENODEV
