"""A database under full load is backed up three times, verified, destroyed and brought back, with proof.

writer      a process of its own: RocksDB through rocksdict, six column families, blob files with garbage
            collection, small memtables so that flushes and compactions never stop
backups     the command line, from outside that process
proof       the restored database holds exactly what was written up to one step, in every family
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from workload.driver import running_writer
from workload.prefix import check_in_subprocess

if TYPE_CHECKING:
    from workload.driver import RunningWriter

SEED = 20260702


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def walrus_node(*arguments: str) -> None:
    """Type a command, as an operator would, and show it; any failure ends the demonstration."""
    print("$ walrus-node " + " ".join(arguments), flush=True)
    subprocess.run([str(Path(sys.executable).with_name("walrus-node")), *arguments], check=True)


def damage(database: Path) -> None:
    """Flip bytes in the middle of the largest files and remove the newest MANIFEST: no repair tool helps here."""
    largest = sorted(database.glob("*.sst"), key=lambda path: path.stat().st_size)[-3:]
    for path in largest:
        # A new inode, as a copy that went wrong would have: hard links of a backup share the old one.
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.unlink()
        path.write_bytes(data)
    manifest = max(database.glob("MANIFEST-*"))
    manifest.unlink()
    print(f"a byte flipped in {', '.join(path.name for path in largest)}, {manifest.name} removed")


def back_up(writer: RunningWriter, database: Path, repository: Path) -> tuple[int, int]:
    """One backup; the steps that it must hold at least and can hold at most."""
    writer.advance(random.Random(SEED).randrange(20_000, 40_000))
    lower = writer.acknowledged
    walrus_node("checkpoint", "create", "--db-path", str(database), "--path", str(repository))
    return lower, writer.acknowledged + 1


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="walrus-demo-") as name:
        folder = Path(name)
        database, repository = folder / "db", folder / "checkpoints"
        say("A process of its own writes a RocksDB database, as fast as it can")
        with running_writer(database, seed=SEED, memtable_size=1 << 20) as writer:
            print(f"process {writer.pid} writes {database}")
            say("Three backups while it writes, from outside that process")
            for _ in range(3):
                lower, upper = back_up(writer, database, repository)
            writer.assert_alive()
            say("What the repository holds, and that every byte of it is right")
            walrus_node("checkpoint", "list", "--path", str(repository))
            walrus_node("checkpoint", "verify", "--path", str(repository))
            say("The worst day: kill -9, and a damaged database")
            print(f"process {writer.pid} killed after step {writer.kill()}")
        damage(database)
        say("Restore")
        walrus_node("restore", "--db-checkpoint-path", str(repository), "--db-path", str(database))
        say("Proof: every key of every column family, compared with what the writer had written")
        report = check_in_subprocess(database, SEED, lower=lower, upper=upper)
        print(f"The database holds exactly the state after step {report.step:,}:")
        for family, keys in sorted(report.keys.items()):
            print(f"    {family:<12} {keys:>9,} keys, none missing, none too many")
        print(f"{lower:,} steps were acknowledged when the last backup began, {upper - 1:,} when it ended.")


if __name__ == "__main__":
    main()
