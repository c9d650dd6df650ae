"""Peers that do what they should not, by the hundred; the others are served."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from typing import TYPE_CHECKING

import pytest

from tests.server.node import running_node, wait_for, write_config
from walrus_fast.client.asynchronous import AsyncAdminClient
from walrus_fast.client.blocking import AdminClient
from walrus_fast.protocol.frames import MAX_REQUEST_BYTES, encode_frame
from walrus_fast.protocol.messages import Create, GetInfo, Ping, Request, Watch

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server.node import Node


@pytest.fixture
def impatient(database: Path, tmp_path: Path) -> Iterator[Node]:
    """A node that gives its peers half a second."""
    with running_node(write_config(tmp_path, peer_timeout=0.5)) as node:
        yield node


def connect(node: Node) -> socket.socket:
    """A bare connection."""
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(20)
    peer.connect(str(node.socket))
    return peer


def read_to_end(peer: socket.socket) -> bytes:
    """All that comes until the server closes."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := peer.recv(1 << 16):
            data += chunk
    return data


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\0",
        b"\0\0\0\x09half",
        b'{"Checkpoint":',
        b"{" * 1000,
    ],
    ids=["nothing", "half a length", "half a frame", "half a line", "braces"],
)
def test_a_request_that_is_never_finished_is_cut_off(impatient: Node, said: bytes) -> None:
    with connect(impatient) as peer:
        peer.sendall(said)
        assert read_to_end(peer) == b""
    wait_for(lambda: "cut off a connection" in impatient.log, "the line in the log")


@pytest.mark.parametrize(
    "said",
    [
        struct.pack(">I", MAX_REQUEST_BYTES + 1),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 100_000,
        struct.pack(">I", 5) + b"trash",
        encode_frame(Request(1, Ping(), version=99)),
        struct.pack(">I", 0),
    ],
    ids=["too long", "http", "ff", "trash", "another version", "empty"],
)
def test_what_is_no_frame_gets_an_error_and_the_end(impatient: Node, said: bytes) -> None:
    with connect(impatient) as peer:
        with contextlib.suppress(BrokenPipeError):
            peer.sendall(said)
        assert b"protocol-violation" in read_to_end(peer)


def test_a_line_without_an_end_is_not_read_for_ever(impatient: Node) -> None:
    with connect(impatient) as peer, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(100):
            peer.sendall(b"{" + b"x" * MAX_REQUEST_BYTES)
        pytest.fail("6 MB of one line were taken")


def test_a_peer_that_never_reads_is_cut_off(impatient: Node) -> None:
    request = encode_frame(Request(1, GetInfo())) * 1000
    with connect(impatient) as peer:
        peer.settimeout(0.2)
        with contextlib.suppress(TimeoutError, BrokenPipeError):
            for _ in range(1000):
                peer.sendall(request)
        wait_for(lambda: "it does not read its answers" in impatient.log, "the end of that peer")
    with impatient.client() as client:
        assert client.info().connections == 1
        assert client.info().memory < 120_000_000


def test_a_slow_watcher_misses_steps_and_gets_the_end(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, max_bytes_per_second="5MB")) as node, connect(node) as peer:
        peer.sendall(encode_frame(Request(1, Create())))
        peer.sendall(encode_frame(Request(2, Watch())))
        with node.client() as client:
            *_, last = client.watch()
        assert last.state == "succeeded"
        peer.settimeout(0.2)
        data = b""
        with contextlib.suppress(TimeoutError):
            while chunk := peer.recv(1 << 16):
                data += chunk
        assert data.count(b"succeeded") == 1


def test_too_many_open_requests_of_one_connection_are_refused(impatient: Node) -> None:
    with impatient.client() as client, connect(impatient) as peer:
        job = client.create(delay_secs=3600)
        for number in range(20):
            peer.sendall(encode_frame(Request(number, Watch(job.job_id))))
        data = b""
        while data.count(b"queue-full") < 4:
            data += peer.recv(1 << 16)


def hostile(node: Node, kind: int, randomness: random.Random) -> socket.socket:
    """A peer that misbehaves in one of five ways."""
    peer = connect(node)
    peer.setblocking(False)
    said = [
        b"\0\0\x10",
        struct.pack(">I", MAX_REQUEST_BYTES) + b"x" * 1000,
        randomness.randbytes(5000),
        encode_frame(Request(1, GetInfo())) * 2000,
        b'{"Checkpoint":{"command":' + b"[" * 5000,
    ][kind % 5]
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        while kind % 5 == 3 or peer.send(said) < 0:
            peer.send(said)
    return peer


def test_1000_connections_100_of_them_hostile_are_served(
    database: Path, tmp_path: Path, randomness: random.Random
) -> None:
    with running_node(write_config(tmp_path, peer_timeout=5)) as node, contextlib.ExitStack() as enemies:
        for kind in range(100):
            enemies.enter_context(hostile(node, kind, randomness))

        async def friend(number: int) -> float:
            async with AsyncAdminClient(node.socket) as client:
                await client.ping()
                started = time.perf_counter()
                for _ in range(5):
                    await client.ping()
                    assert (await client.status()) == ()
                return (time.perf_counter() - started) / 10

        async def all_friends() -> list[float]:
            return await asyncio.gather(*(friend(number) for number in range(900)))

        times = sorted(asyncio.run(all_friends()))
        print(f"mean round trip of each of 900 friends: p50 {times[450]:.4f} s, worst {times[-1]:.4f} s")
        assert times[-1] < 2
        with node.client() as client:
            wait_for(lambda: client.info().connections == 1, "the end of the enemies", client.info)
            assert client.info().memory < 150_000_000


def test_more_connections_than_allowed_are_told_so(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, max_connections=3)) as node:
        friends = [AdminClient(node.socket) for _ in range(3)]
        for friend in friends:
            friend.ping()
        with connect(node) as peer:
            assert b"queue-full" in read_to_end(peer)
        for friend in friends:
            friend.ping()
            friend.close()


def test_the_loop_does_not_stall_while_two_workers_copy(database: Path, tmp_path: Path) -> None:
    config = write_config(
        tmp_path,
        checkpoint={"max_background_operations": 2},
        transfer_mode="copy",
        max_bytes_per_second="8MB",
    )
    with running_node(config) as node, node.client() as client, node.client() as other:
        jobs = [client.create(str(tmp_path / name)) for name in ("one", "two")]
        times = []
        while not all(job.state.is_final for job in other.status()):
            started = time.perf_counter()
            client.ping()
            times.append(time.perf_counter() - started)
        assert all(client.status(job.job_id)[0].state == "succeeded" for job in jobs)
        times.sort()
        p50, p99, worst = times[len(times) // 2], times[len(times) * 99 // 100], times[-1]
        print(f"{len(times)} pings: p50 {p50 * 1e6:.0f} us, p99 {p99 * 1e6:.0f} us, worst {worst * 1e3:.2f} ms")
        # The worst of thousands on a machine that others use too says more about them; p99 is ours.
        assert p99 < 0.01
