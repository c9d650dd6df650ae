"""FIFOs, devices, sockets, folders and links in the place of files: nobody waits for them or takes them along."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from tests.security.test_links import OURS, WORK
from walrus_fast.errors import BackupDamaged, StorageError, WalrusFastError
from walrus_fast.exchange.journal import load_exchange
from walrus_fast.files import Files
from walrus_fast.operations.proof.verify import verify_backups
from walrus_fast.repository.layout import open_repository
from walrus_fast.repository.verification import load_record
from walrus_fast.rocksdb.identity import read_database_id
from walrus_fast.rocksdb.manifest import read_current
from walrus_fast.rocksdb.options import newest_options
from walrus_fast.rocksdb.ownership import owner_pid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)  # a test that waits for a FIFO's other end never ends


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


KINDS: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "socket": a_socket,
    "folder": os.mkdir,
    "device": lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5)),  # /dev/zero: it never ends
    "link": lambda path: path.symlink_to("/etc/passwd"),
}


@pytest.fixture(params=KINDS)
def put(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Replaces a file by something else."""
    if request.param == "device" and os.geteuid() != 0:
        pytest.skip("needs root")

    def replace(path: Path) -> None:
        path.unlink(missing_ok=True)
        try:
            KINDS[request.param](path)
        except OSError as exc:
            if request.param == "socket" and "too long" in str(exc):
                os.mkfifo(path)
                return
            raise

    return replace


def shared_file(repository: Path) -> str:
    return "shared_checksum/" + min(path.name for path in (repository / "shared_checksum").iterdir())


@pytest.mark.parametrize("work", ["verify", "restore", "delete", "create"])
@pytest.mark.parametrize(
    "what", ["meta/1", "meta/2", f"{OURS}/manifests/2", f"{OURS}/lock", "private/2/CURRENT", "shared"]
)
def test_in_a_repository(place: Path, put: Callable[[Path], None], work: str, what: str) -> None:
    name = shared_file(place / "repo") if what == "shared" else what
    put(place / "repo" / name)
    with contextlib.suppress(WalrusFastError):
        WORK[work](Files(), place)


def test_a_shared_file_is_damage(place: Path, put: Callable[[Path], None]) -> None:
    put(place / "repo" / shared_file(place / "repo"))
    assert verify_backups(Files(), place / "repo").damaged
    with pytest.raises(BackupDamaged):
        WORK["restore"](Files(), place)
    assert not (place / "restored").exists()


def test_a_record_is_none(place: Path, put: Callable[[Path], None]) -> None:
    (place / "repo" / OURS / "verified").mkdir()
    put(place / "repo" / OURS / "verified" / "1")
    record = load_record(Files(), open_repository(Files(), place / "repo"), 1)
    assert record.last is None


def test_in_a_database(place: Path, put: Callable[[Path], None]) -> None:
    names = [path.name for path in (place / "db").iterdir()]
    for name in (*(n for n in names if n.startswith(("OPTIONS", "MANIFEST"))), "IDENTITY", "LOCK", "CURRENT"):
        put(place / "db" / name)
    for read in (read_current, owner_pid):
        with pytest.raises(StorageError):
            read(Files(), place / "db")
    with contextlib.suppress(StorageError):
        assert newest_options(Files(), place / "db").name == ""  # a folder is no OPTIONS file
    assert read_database_id(Files(), place / "db") == ""
    with pytest.raises(WalrusFastError):
        WORK["create"](Files(), place)


def test_a_table_of_a_database(place: Path, put: Callable[[Path], None]) -> None:
    """Nothing of what a link leads to gets into a backup, and no link does."""
    put(min((place / "db").glob("*.sst")))
    before = sorted((place / "repo" / "meta").iterdir())
    with pytest.raises(WalrusFastError):
        WORK["create"](Files(), place)
    assert sorted((place / "repo" / "meta").iterdir()) == before
    assert not [path for path in (place / "repo").rglob("*") if path.is_symlink() or b"root:" in contents(path)]


def contents(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def test_a_journal(place: Path, put: Callable[[Path], None]) -> None:
    put(place / "exchange.json")
    with pytest.raises(StorageError):
        load_exchange(Files(), place / "exchange.json")


def test_a_file_that_grows_while_it_is_read_ends_at_the_limit(tmp_path: Path) -> None:
    """`/proc` files say that they are empty: what is read counts, not what `stat` says."""
    with pytest.raises(StorageError, match="allowed"):
        Files().read_bytes("/proc/self/maps", limit=100)
    assert Files().read_bytes("/proc/self/comm", limit=100)
