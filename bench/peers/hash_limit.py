"""What this machine can read and hash at most: two processes, nothing but `readv` and both checksums.

    python -m bench.peers.hash_limit FOLDER [PROCESSES]

Prints one JSON object. `seconds` runs from the moment when all processes are ready, so their start is not in it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import crc32c
import xxhash

__all__ = ["read_and_hash"]

_BUFFER_BYTES = 256 << 10


def read_and_hash(paths: list[Path]) -> int:
    """Both checksums over every file; returns the bytes read."""
    buffer, total = memoryview(bytearray(_BUFFER_BYTES)), 0
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        crc, xxh3 = 0, xxhash.xxh3_128()
        while count := os.readv(fd, [buffer]):
            chunk = buffer[:count]
            crc = crc32c.crc32c(chunk, crc)
            xxh3.update(chunk)
            total += count
        os.close(fd)
    return total


def _shares(folder: Path, processes: int) -> list[list[Path]]:
    """Files dealt out by size, so that each process has about as much to do."""
    sizes = sorted(((path.stat().st_size, path) for path in folder.rglob("*") if path.is_file()), reverse=True)
    shares: list[list[Path]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for size, path in sizes:
        least = loads.index(min(loads))
        shares[least].append(path)
        loads[least] += size
    return shares


def main(words: list[str]) -> int:
    """See the head of this file."""
    shares = _shares(Path(words[0]), int(words[1]) if len(words) > 1 else 2)
    gate_read, gate_write = os.pipe()
    children = []
    for share in shares:
        pid = os.fork()
        if pid == 0:
            os.close(gate_write)
            os.read(gate_read, 1)  # ends when the parent closes the gate
            read_and_hash(share)
            os._exit(0)
        children.append(pid)
    time.sleep(0.05)
    started = time.perf_counter()
    os.close(gate_write)
    failed = any(os.waitpid(pid, 0)[1] for pid in children)
    print(json.dumps({"seconds": time.perf_counter() - started}))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
