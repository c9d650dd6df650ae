"""The Python side of ManifestReplay: errors, threads, memory."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.native.support import CLEAN, CORRUPT, file_of, picture, replay_both
from tests.oracle import encode as e
from walrus_fast import _native

if TYPE_CHECKING:
    from pathlib import Path


def test_read_errors() -> None:
    replay = _native.ManifestReplay()
    with pytest.raises(OSError, match="Bad file descriptor"):
        replay.feed(-1)
    reader, writer = os.pipe()
    with pytest.raises(OSError, match="Invalid argument"):
        replay.feed(reader)
    os.close(reader)
    os.close(writer)
    with file_of(e.log_of([e.header()])) as fd:
        assert replay.feed(fd) == 1


def test_write_only_descriptor_keeps_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    data = e.log_of([e.header(), e.new_file(5)])
    path.write_bytes(data)
    replay = _native.ManifestReplay()
    fd = os.open(path, os.O_RDWR)
    only_write = os.open(path, os.O_WRONLY)
    try:
        replay.feed(fd)
        before = picture(replay)
        os.truncate(path, len(data) + 1)
        with pytest.raises(OSError, match="Bad file descriptor"):
            replay.feed(only_write)
        assert picture(replay)["tables"] == before["tables"]
        assert replay.offset == before["offset"]
    finally:
        os.close(fd)
        os.close(only_write)


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError):
        _native.ManifestReplay(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        _native.ManifestReplay(x=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        _native.ManifestReplay().feed("x")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        _native.ManifestReplay().offset = 1  # type: ignore[misc]


def test_many_objects_do_not_leak() -> None:
    data = e.log_of([e.header(), e.add_family(1, "one"), e.family(1, e.new_file(3) + e.new_blob(4)), b"\xff"])

    def run(times: int) -> None:
        with file_of(data) as fd:
            for _ in range(times):
                replay = _native.ManifestReplay()
                for _ in range(5):
                    replay.feed(fd)
                picture(replay)
                _native.scan_wal(fd, 1)
                _native.table_identities(-100, ["/dev/null", "/nowhere"])
                _native.stat_files(-100, ["/dev/null", "/nowhere"])

    run(200)
    gc.collect()
    blocks, peak = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(2000)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 8192  # KiB


def test_reference_counts_of_attributes() -> None:
    replay = replay_both(e.log_of([e.header("identity of this database")]))
    first = replay.db_id
    before = sys.getrefcount(first)
    for _ in range(100):
        assert replay.db_id is first
        replay.families()
        replay.blobs()
    assert sys.getrefcount(first) == before


def test_one_replay_in_many_threads() -> None:
    """Either the result or RuntimeError, never anything in between."""
    data = e.log_of([e.new_file(number) for number in range(20_000)])
    refused: list[RuntimeError] = []
    others: list[object] = []
    with file_of(data) as fd:
        replay = _native.ManifestReplay()
        start = threading.Barrier(4)

        def run() -> None:
            start.wait()
            for _ in range(20):
                try:
                    replay.feed(fd)
                    replay.tables()
                except RuntimeError as exc:
                    refused.append(exc)
                others.append((replay.offset, replay.reason, replay.edits))

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        replay.feed(fd)
    assert (replay.state, replay.edits, len(replay.tables())) == (CLEAN, 20_000, 20_000)
    assert set(others) <= {(0, "", 0), (len(data), "", 20_000)}


def run_limited(script: str, megabytes: int) -> str:
    """Runs `script` with so much address space beyond what the interpreter and the module take."""
    limits = (
        "import resource, os\n"
        "from walrus_fast import _native\n"
        "from tests.oracle import encode as e\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * os.sysconf('SC_PAGE_SIZE')\n"
        f"limit = size + ({megabytes} << 20)\n"
    )
    command = [sys.executable, "-c", limits + script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")


@pytest.mark.skipif(SANITIZED, reason="the sanitizer's shadow memory does not fit below a limit")
def test_lengths_in_the_file_allocate_nothing() -> None:
    script = (
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "def feed(data):\n"
        "    fd = os.memfd_create('x'); os.write(fd, data)\n"
        "    r = _native.ManifestReplay(); r.feed(fd); return r.state\n"
        "huge = e.varint((1 << 32) - 1)\n"
        "print([feed(e.log_of([edit])) for edit in (e.varint(1) + huge + b'x',\n"
        "    e.varint(8193) + huge, e.grouped(b'', (1 << 32) - 1), e.varint(9000) + huge)])\n"
    )
    assert run_limited(script, 16) == "[2, 2, 1, 2]"


@pytest.mark.skipif(SANITIZED, reason="the sanitizer's shadow memory does not fit below a limit")
def test_memory_error_keeps_the_state() -> None:
    """A record of 60 MiB does not fit; afterwards, without the limit, it does."""
    script = (
        "fd = os.memfd_create('x')\n"
        "os.write(fd, e.log_of([e.new_file(1), e.tagged(8192, bytes(60 << 20)), e.new_file(2)]))\n"
        "r = _native.ManifestReplay()\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * os.sysconf('SC_PAGE_SIZE')\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + (20 << 20), resource.RLIM_INFINITY))\n"
        "try:\n"
        "    r.feed(fd)\n"
        "except MemoryError:\n"
        "    print('MemoryError', r.edits)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "r.feed(fd)\n"
        "print(r.edits, r.state, len(r.tables()))\n"
    )
    assert run_limited(script, 0) == "MemoryError 1\n3 0 2"


@pytest.mark.long
def test_record_of_more_than_a_gigabyte_is_refused() -> None:
    fragment = bytes(32768 - 7)
    first, middle = e.physical(e.FIRST, fragment), e.physical(e.MIDDLE, fragment)
    with file_of(first) as fd:
        many = middle * 1024
        for _ in range(33):
            os.write(fd, many)
        replay = _native.ManifestReplay()
        replay.feed(fd)
        assert replay.state == CORRUPT
        assert "too long" in replay.reason
        complete, _, _, state, _ = _native.scan_wal(fd, 1)  # a WAL's payload is not kept, so any size will do
        assert (complete, state) == (0, _native.TORN)
