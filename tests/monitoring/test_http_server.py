"""The small HTTP server of a real node: what it answers, and what hostile peers gain."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING

import pytest

from tests.monitoring.scenes import shown_node
from tests.server.node import running_node, wait_for, write_config
from tests.support.command import run

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

    from tests.monitoring.scenes import Shown

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A node that gives its peers half a second; every test here leaves it as it was."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "db").mkdir()
    with shown_node(folder, peer_timeout=0.5) as node:
        yield node


def connect(shown: Shown) -> socket.socket:
    """A bare connection."""
    peer = socket.create_connection(("127.0.0.1", shown.port), timeout=20)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def to_the_end(peer: socket.socket) -> bytes:
    """All that comes until the server closes."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := peer.recv(1 << 16):
            data += chunk
    return data


def said(shown: Shown, request: bytes) -> bytes:
    """All that a request brings."""
    with connect(shown) as peer:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(request)
        return to_the_end(peer)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /healthz", b"200"),
        (b"GET /healthz?with=query", b"200"),
        (b"GET /", b"200"),
        (b"GET /status.json", b"200"),
        (b"GET /metrics", b"200"),
        (b"GET /nothing", b"404"),
        (b"GET /../../etc/passwd", b"404"),
        (b"POST /metrics", b"405"),
        (b"DELETE /", b"405"),
        (b"CONNECT localhost:80", b"405"),
        (b"OPTIONS *", b"405"),
    ],
)
def test_paths_and_methods(shown: Shown, request_line: bytes, status: bytes) -> None:
    answer = said(shown, request_line + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in answer


def test_head_is_get_without_the_body(shown: Shown) -> None:
    for path in (b"/", b"/metrics", b"/status.json", b"/nothing"):
        head = said(shown, b"HEAD " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert head.endswith(b"\r\n\r\n")
        assert b"\r\nContent-Length: " in head


def test_one_connection_serves_many_requests_also_those_said_at_once(shown: Shown) -> None:
    with connect(shown) as peer:
        peer.sendall((GET + b"\r\n") * 300)
        data = b""
        while data.count(b"ok\n") < 300:
            data += peer.recv(1 << 16)
        assert data.count(b"HTTP/1.1 200") == 300
        peer.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert to_the_end(peer).endswith(b"ok\n")


def test_who_has_said_its_last_word_still_gets_the_answer(shown: Shown) -> None:
    with connect(shown) as peer:
        peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        assert b"walrus_fast_build_info" in to_the_end(peer)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "[::1]:9", "localhost", "LOCALHOST:1", "127.8.8.8"])
def test_names_of_this_machine(shown: Shown, host: str) -> None:
    answer = said(shown, f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200"), answer


@pytest.mark.parametrize("host", ["", "evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "x:y:z"])
def test_another_name_is_refused_as_a_rebound_one(shown: Shown, host: str) -> None:
    answer = said(shown, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 421"), answer


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\0\0\0\x05hello\r\n\r\n", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (1 << 16), b"431"),
        (b"GET /" + b"x" * (1 << 16), b"431"),
        (GET + b"Content-Length: 5\r\n\r\nhello", b"413"),
        (GET + b"Content-Length: 99999999999\r\n\r\n", b"413"),
        (GET + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"413"),
    ],
)
def test_what_is_no_request_of_ours_gets_an_error_and_the_end(
    shown: Shown, request_bytes: bytes, status: bytes
) -> None:
    assert said(shown, request_bytes).startswith(b"HTTP/1.1 " + status)
    assert shown.get("healthz").text == "ok\n"


@pytest.mark.parametrize("part", [b"", b"G", GET, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_request_that_is_never_finished_is_cut_off(shown: Shown, part: bytes) -> None:
    assert said(shown, part) == b""


def test_one_byte_at_a_time_gains_no_time(shown: Shown) -> None:
    with connect(shown) as peer:
        peer.settimeout(0.05)
        for _ in range(1000):
            with contextlib.suppress(TimeoutError):
                try:
                    peer.sendall(b"X")
                    assert peer.recv(1) == b""
                except ConnectionError:
                    pass  # the end came as a reset
                return
        pytest.fail("it was listened to for 50 s")


def test_who_does_not_read_is_not_read_from_and_cut_off(shown: Shown) -> None:
    with connect(shown) as peer:
        peer.settimeout(0.2)
        with contextlib.suppress(TimeoutError, ConnectionError):
            for _ in range(1000):
                peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
            pytest.fail("50 MB of requests were taken and nothing was read")
        wait_for(lambda: _is_gone(peer), "the end")
    memory = float(metric(shown, "process_resident_memory_bytes"))
    assert memory < 200_000_000


def _is_gone(peer: socket.socket) -> bool:
    """Whether the other end has hung up; nothing is read."""
    poll = select.poll()
    poll.register(peer, 0)
    return bool(poll.poll(0))


def metric(shown: Shown, name: str) -> str:
    """The value of a metric without labels."""
    (line,) = [line for line in shown.get("metrics").text.splitlines() if line.startswith(f"{name} ")]
    return line.split()[1]


def test_300_silent_connections_do_not_keep_a_scrape_out(shown: Shown) -> None:
    with contextlib.ExitStack() as peers:
        for _ in range(300):
            peers.enter_context(connect(shown))
        assert shown.get("healthz").text == "ok\n"


def test_noise_does_no_harm(shown: Shown, randomness: random.Random) -> None:
    begin = [b"", b"GET ", b"GET / HTTP/1.1\r\n", GET, b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    for _ in range(200):
        noise = bytearray(randomness.choice(begin) + randomness.randbytes(randomness.randrange(200)) + b"\r\n\r\n")
        answer = b""
        with connect(shown) as peer:
            with contextlib.suppress(ConnectionError):
                peer.sendall(noise)
                peer.shutdown(socket.SHUT_WR)
            answer = to_the_end(peer)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), (noise, answer)
    assert shown.get("healthz").text == "ok\n"


def test_a_unix_socket_of_0600_and_its_end(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "metrics.socket"
    with contextlib.ExitStack() as stack:
        node = stack.enter_context(running_node(write_config(tmp_path, metrics_address=f"unix:{path}")))
        assert path.stat().st_mode & 0o777 == 0o600
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(20)
            peer.connect(str(path))
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n")
            assert to_the_end(peer).endswith(b"ok\n")
        assert node.stop() == 0
    assert not path.exists()


def test_ipv6_and_a_port_that_is_taken(database: Path, tmp_path: Path) -> None:
    with shown_node(tmp_path, metrics_address="[::1]:0") as shown:
        assert shown.url.startswith("http://[::1]:")
        assert shown.get("healthz").text == "ok\n"
        second = tmp_path / "second"
        second.mkdir()
        config = write_config(second, metrics_address=f"[::1]:{shown.port}")
        outcome = run("run", "--config-path", config)
        assert outcome.status == 51
        assert f"metrics_address ::1 port {shown.port} cannot be listened on: Address already in use" in outcome.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:9185", "[::]:9185", "10.1.2.3:80", "[2001:db8::1]:80"])
def test_an_address_that_others_can_reach_is_refused_unless_allowed(tmp_path: Path, address: str) -> None:
    config = write_config(tmp_path, metrics_address=address)
    outcome = run("config", "check", "--config-path", config)
    assert outcome.status == 15
    assert "which other machines can reach" in outcome.stderr
    assert "set metrics_allow_remote" in outcome.stderr
    allowed = write_config(tmp_path, metrics_address=address, metrics_allow_remote=True)
    assert run("config", "check", "--config-path", allowed).status == 0


@pytest.mark.parametrize(
    "address", ["9185", "localhost:9185", "node.example:80", "127.0.0.1", "127.0.0.1:99999", "unix:relative", "", 9185]
)
def test_what_is_no_address(tmp_path: Path, address: object) -> None:
    outcome = run("config", "check", "--config-path", write_config(tmp_path, metrics_address=address))
    assert outcome.status == 15
    assert "is not an address like 127.0.0.1:9185, [::1]:9185 or unix:/path" in outcome.stderr


def test_allowed_to_others_any_name_is_answered(database: Path, tmp_path: Path) -> None:
    with shown_node(tmp_path, metrics_address="0.0.0.0:0", metrics_allow_remote=True) as shown:
        answer = said(shown, b"GET /healthz HTTP/1.1\r\nHost: node.example\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
