"""What the admin server costs: round trips beside a bare echo, memory, the time of `--help`.

    python -m bench.server [--files 100000]

Prints one JSON document. The echo server is uvloop's, in a process of its own as ours, sends back what it gets, and is
asked in turns with ours, so that both see the same machine.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from walrus_fast.checksum import digest
from walrus_fast.client.blocking import AdminClient
from walrus_fast.errors import ServerUnreachable
from walrus_fast.files import Files
from walrus_fast.methods import Method
from walrus_fast.protocol.frames import encode_frame
from walrus_fast.protocol.messages import GetStatus, Ping, Request
from walrus_fast.repository.layout import prepare_repository
from walrus_fast.repository.manifest import BackupManifest, StoredFile, encode_manifest
from walrus_fast.repository.meta import BackupMeta, MetaFile, encode_meta

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, PER_ROUND = 40, 500
ECHO = """
import asyncio, sys, uvloop
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(data)
async def main():
    server = await asyncio.get_running_loop().create_unix_server(Echo, sys.argv[1])
    await server.serve_forever()
uvloop.run(main())
"""


def round_trips(peer: socket.socket, request: bytes, count: int) -> list[float]:
    """Seconds of each; what comes back is one frame."""
    times = []
    for _ in range(count):
        started = time.perf_counter()
        peer.sendall(request)
        data = peer.recv(1 << 16)
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            data += peer.recv(1 << 16)
        times.append(time.perf_counter() - started)
    return times


def percentiles(times: list[float]) -> dict[str, float]:
    """Microseconds."""
    times.sort()
    return {"p50_us": times[len(times) // 2] * 1e6, "p99_us": times[len(times) * 99 // 100] * 1e6}


def connected(path: Path) -> socket.socket:
    """A connection, as soon as somebody listens."""
    deadline = time.monotonic() + 30
    while True:
        peer = socket.socket(socket.AF_UNIX)
        try:
            peer.connect(str(path))
        except OSError:
            peer.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return peer


def resident(pid: int) -> int:
    """Bytes of memory that are the process's now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def big_repository(root: Path, files: int) -> None:
    """A repository with one backup of so many (empty) blob files."""
    layout = prepare_repository(Files(), root)
    stored = []
    for number in range(files):
        name = f"{number + 10:06d}_0_0.blob"
        (layout.shared / name).touch()
        stored.append(StoredFile(f"shared_checksum/{name}", 0, 0, b"", Method.COPY, 0, 0))
    layout.private_of(1).mkdir()
    meta = encode_meta(BackupMeta(int(time.time()), 1, tuple(MetaFile(file.path, 0) for file in stored)))
    manifest = BackupManifest(
        backup_id=1,
        created=time.time(),
        tool="bench",
        database="/db",
        database_id="bench",
        captured_sequence=1,
        sequence_is_exact=True,
        families=("default",),
        wal_dir=None,
        rounds=1,
        pin_seconds=0.0,
        meta_digest=digest(meta),
        files=tuple(stored),
    )
    layout.manifest_of(1).write_bytes(encode_manifest(manifest))
    layout.meta_of(1).write_bytes(meta)


def best_of(count: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest."""
    times = []
    for _ in range(count):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def measure(folder: Path, files: int) -> dict[str, object]:
    """Everything."""
    config = folder / "node-config.yaml"
    config.write_text(
        json.dumps({"storage_path": str(folder / "db"), "admin_socket_path": str(folder / "admin.socket")})
    )
    program = Path(sys.executable).parent / "walrus-node"
    node = subprocess.Popen([program, "run", "--config-path", str(config)], stderr=subprocess.DEVNULL)
    echo = subprocess.Popen([sys.executable, "-c", ECHO, str(folder / "echo.socket")])
    try:
        ours, bare = connected(folder / "admin.socket"), connected(folder / "echo.socket")
        at_rest = resident(node.pid)
        ping, status = encode_frame(Request(1, Ping())), encode_frame(Request(1, GetStatus()))
        times: dict[str, list[float]] = {"echo": [], "ping": [], "status": []}
        for _ in range(ROUNDS):
            times["echo"] += round_trips(bare, ping, PER_ROUND)
            times["ping"] += round_trips(ours, ping, PER_ROUND)
            times["status"] += round_trips(ours, status, PER_ROUND)
        result: dict[str, object] = {name: percentiles(values) for name, values in times.items()}
        big_repository(folder / "repository", files)
        with AdminClient(folder / "admin.socket", timeout=120) as client:
            listing = best_of(3, lambda: client.list(str(folder / "repository")))
            listed = client.list(str(folder / "repository")).backups[0].files
        result["memory_at_rest"] = at_rest
        result["memory_after_lists"] = resident(node.pid)
        result["files_listed"], result["list_seconds"] = listed, listing
        result["help_seconds"] = best_of(
            10, lambda: subprocess.run([program, "--help"], check=True, stdout=subprocess.DEVNULL)
        )
        ours.close()
        bare.close()
    finally:
        node.send_signal(signal.SIGTERM)
        echo.terminate()
        node.wait(30)
        echo.wait(30)
    return result


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            print(json.dumps(measure(Path(folder), arguments.files), indent=2))
        except ServerUnreachable as exc:
            sys.exit(str(exc))


if __name__ == "__main__":
    main()
