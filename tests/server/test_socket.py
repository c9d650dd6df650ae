"""The socket's path and who may connect."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.server.node import PROJECT, Node, running_node, wait_for, write_config
from tests.support.command import run
from walrus_fast.client.blocking import AdminClient
from walrus_fast.errors import ServerUnreachable

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 65534


def refused(config: Path, status: int, message: str) -> None:
    """`run` ends at once with that status and message."""
    outcome = run("run", "--config-path", config)
    assert outcome.status == status, outcome
    assert message in outcome.stderr, outcome
    assert "Traceback" not in outcome.stderr


def test_the_socket_is_0600_whatever_the_umask(database: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with running_node(write_config(tmp_path)) as node:
            assert stat.S_IMODE(node.socket.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_the_socket_is_bound_with_its_mode_and_never_changed(database: Path, tmp_path: Path, strace: str) -> None:
    config = write_config(tmp_path)
    trace = tmp_path / "trace"
    calls = "trace=bind,umask,chmod,fchmod,fchmodat"
    command = [strace, "-f", "-e", calls, "-o", str(trace), sys.executable, "-m", "walrus_fast.cli.app"]
    program = [*command[:-2], "-c", "from walrus_fast.cli.app import main; main()", "run", "--config-path", str(config)]
    process = subprocess.Popen(program, cwd=PROJECT, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for((tmp_path / "admin.socket").exists, "the socket")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
    lines = [line.split(maxsplit=1)[1] for line in trace.read_text().splitlines() if "SIG" not in line]
    bound = next(index for index, line in enumerate(lines) if "admin.socket" in line)
    assert lines[bound].startswith("bind(")
    assert lines[bound - 1].startswith("umask(0177)")
    assert not any("chmod" in line and "admin.socket" in line for line in lines)


def test_a_second_server_is_refused_and_the_first_goes_on(node: Node) -> None:
    inode = node.socket.stat().st_ino
    refused(node.config, 51, f"a server answers on {node.socket}")
    assert node.socket.stat().st_ino == inode
    with node.client() as client:
        client.ping()


def test_a_stale_socket_is_replaced(database: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with running_node(config) as node:
        node.process.kill()
        node.process.wait()
        assert node.socket.exists()
        with pytest.raises(ServerUnreachable, match="no server listens"), node.client() as client:
            client.ping()
        with running_node(config) as again, again.client() as client:
            client.ping()


def test_a_file_in_the_way_is_not_removed(database: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "admin.socket").write_text("precious")
    refused(config, 52, "is there and is no socket")
    assert (tmp_path / "admin.socket").read_text() == "precious"


def test_a_socket_of_another_user_is_not_taken(database: Path, tmp_path: Path, root: None) -> None:
    config = write_config(tmp_path)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "admin.socket"))
    os.chown(tmp_path / "admin.socket", NOBODY, NOBODY)
    refused(config, 52, f"is a socket of another user (uid {NOBODY})")
    assert (tmp_path / "admin.socket").exists()


def test_a_path_too_long_for_a_socket_is_said_before_anything_is_made(database: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path)
    document = yaml.safe_load(config.read_text())
    long = tmp_path / ("x" * 60) / ("y" * 60) / "admin.socket"
    config.write_text(yaml.safe_dump({**document, "admin_socket_path": str(long)}))
    refused(config, 52, "a socket's path may have 107")
    assert not long.parent.parent.exists()


def test_another_uid_is_refused_even_where_the_mode_lets_it_in(node: Node, tmp_path: Path, root: None) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o011)
    node.socket.chmod(0o666)
    child = os.fork()
    if child == 0:
        # Not another program: nobody may not read the interpreter in root's home.
        status = 1
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(node.socket))
                status = 0 if b"peer-refused" in peer.recv(4096) and peer.recv(1) == b"" else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with node.client() as client:
        client.ping()


def test_a_user_without_permission_is_told_whom_to_be(node: Node, unprivileged: list[str], root: None) -> None:
    os.chown(node.socket, NOBODY, NOBODY)
    outcome = run("local-admin", "--socket-path", node.socket, "info", prefix=unprivileged)
    assert outcome.status == 32
    assert "sudo -u walrus" in outcome.stderr
    os.chown(node.socket, 0, 0)


def test_a_socket_that_is_not_ours_any_more_is_left_at_exit(database: Path, tmp_path: Path) -> None:
    node = Node(write_config(tmp_path))
    node.wait_ready()
    node.socket.unlink()
    node.socket.write_text("another's")
    assert node.stop() == 0
    assert node.socket.read_text() == "another's"


def test_no_server_at_all_is_said_plainly(tmp_path: Path) -> None:
    outcome = run("local-admin", "--socket-path", tmp_path / "none", "checkpoint", "list")
    assert outcome.status == 50
    assert f"there is no socket {tmp_path / 'none'}" in outcome.stderr
    with pytest.raises(ServerUnreachable), AdminClient(tmp_path / "none") as client:
        client.ping()
