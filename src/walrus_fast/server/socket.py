"""Where the node listens. A socket's path is taken only when nobody answers there, 0600 from its first moment, and
given back at the end."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from walrus_fast.errors import SocketInUse, SocketUnusable, storage_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from walrus_fast.config.address import MetricsAddress

__all__ = ["BACKLOG", "LONGEST_PATH", "metrics_socket", "peer_uid", "unix_socket"]

LONGEST_PATH = 107  # bytes: sun_path of Linux, without its closing zero
BACKLOG = 1024
_PROBE_TIMEOUT = 2.0  # seconds: a server whose backlog is full is alive all the same
_CREDENTIALS = struct.Struct("3i")


def peer_uid(connection: socket.socket) -> int:
    """The uid of the process that connected, as it was when it did."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(data)[1]
    return uid


def metrics_socket(address: MetricsAddress) -> AbstractContextManager[socket.socket]:
    """A listening socket at an address. To be entered, and raises, as `unix_socket`."""
    tcp = address.host_and_port
    if tcp is not None:
        return _tcp_socket(*tcp)
    assert address.socket_path is not None, "the configuration was checked"
    return unix_socket(address.socket_path, key="metrics_address")


@contextmanager
def _tcp_socket(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as exc:
        in_use = exc.errno == errno.EADDRINUSE
        raise (SocketInUse if in_use else SocketUnusable)(
            f"metrics_address {host} port {port} cannot be listened on: {os.strerror(exc.errno or 0)}",
            hint="Stop what listens there, or choose another metrics_address."
            if in_use
            else "Choose another metrics_address. Under systemd, deploy/systemd/metrics.conf allows it.",
        ) from exc
    with listener:
        listener.setblocking(False)
        yield listener


@contextmanager
def unix_socket(path: Path, *, key: str) -> Iterator[socket.socket]:
    """A listening socket at `path`; its name is removed at the end, if it is still this socket's. `key` is the one of
    the configuration that it stands in.

    Must be entered before the process has threads (it sets the umask for a moment).
    Raises: SocketInUse when a server answers there, SocketUnusable, StorageError.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise SocketUnusable(
            f"{path} is {len(os.fsencode(path))} bytes long; a socket's path may have {LONGEST_PATH}",
            hint=f"Choose a shorter {key}, for instance below /run.",
        )
    listener = _bind(path, key)
    inode = _inode(path)
    try:
        yield listener
    finally:
        if inode is not None and _inode(path) == inode:
            path.unlink(missing_ok=True)
        listener.close()


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None  # gone, or its folder is: nothing of ours is there
    return found.st_dev, found.st_ino


def _bind(path: Path, key: str) -> socket.socket:
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        raise storage_error(exc.errno or 0, "use the folder of the socket", path.parent) from exc
    try:
        # Two servers that start at once would both find the same stale socket and both replace it.
        fcntl.flock(folder, fcntl.LOCK_EX)
        _make_way(path, key)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        before = os.umask(0o177)
        try:
            listener.bind(os.fspath(path))
            listener.listen(BACKLOG)
        except OSError as exc:
            listener.close()
            raise storage_error(exc.errno or 0, "make the socket", path) from exc
        finally:
            os.umask(before)
        return listener
    finally:
        os.close(folder)


def _make_way(path: Path, key: str) -> None:
    """Remove a socket that nobody listens on; refuse everything else that has the name."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as exc:
        raise storage_error(exc.errno or 0, "look at", path) from exc
    if not stat.S_ISSOCK(found.st_mode):
        raise SocketUnusable(f"{path} is there and is no socket", hint=f"Choose another {key}.")
    if found.st_uid != os.geteuid():
        raise SocketUnusable(
            f"{path} is a socket of another user (uid {found.st_uid})",
            hint="Run the server as that user, or remove the socket if its server is gone.",
        )
    if _answers(path):
        raise SocketInUse(f"a server answers on {path}")
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise storage_error(exc.errno or 0, "replace the stale socket", path) from exc


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_TIMEOUT)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            return False  # bound once, and its process is gone
        except FileNotFoundError:
            return False
        except OSError:
            return True  # a full backlog, no permission: somebody's, so not ours to take
    return True
