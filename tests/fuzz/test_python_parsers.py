"""What Python reads from others: any bytes give a value or an error of our tree, in little time and memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import anything
from tests.native.support import SEED
from walrus_fast.checksum import digest
from walrus_fast.config.load import load_config
from walrus_fast.errors import WalrusFastError
from walrus_fast.exchange.journal import Exchange, WalExchange, encode_exchange, load_exchange
from walrus_fast.files import Files
from walrus_fast.methods import Method
from walrus_fast.protocol.frames import MAX_REQUEST_BYTES, Frames, decode_message, decode_request, encode_frame
from walrus_fast.protocol.messages import Create, Done, Pong, Request
from walrus_fast.repository import verification
from walrus_fast.repository.catalog import load_catalog
from walrus_fast.repository.kept import kept_ids
from walrus_fast.repository.known import HeldFiles
from walrus_fast.repository.layout import Layout
from walrus_fast.repository.manifest import BackupManifest, StoredFile, decode_manifest, encode_manifest
from walrus_fast.repository.meta import BackupMeta, MetaFile, decode_meta, encode_meta
from walrus_fast.rocksdb.identity import read_database_id
from walrus_fast.rocksdb.manifest import read_current
from walrus_fast.rocksdb.options import newest_options, parse_options, table_formats
from walrus_fast.server.json_lines import JsonLines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXAMPLES = (200, pytest.param(20_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)]))
_FIXED, _FACTOR = 8 << 20, 400  # bytes of Python objects, and for each byte of input: a list costs 60 for its one

META = encode_meta(BackupMeta(1700000000, 42, (MetaFile("shared_checksum/000012_sAB12_77.sst", 7, None),), b"app"))
META2 = b"schema_version 2.1\n1700000000\n42\nmetadata 00FF\n1\nprivate/7/CURRENT crc32 5 size 16 temp 0\n// FOOTER\n"
MANIFEST = encode_manifest(
    BackupManifest(
        backup_id=7,
        created=1.7e9,
        tool="walrus-fast",
        database="/db",
        database_id="id",
        captured_sequence=42,
        sequence_is_exact=True,
        families=("default",),
        wal_dir=None,
        rounds=1,
        pin_seconds=0.1,
        meta_digest=digest(META),
        files=(StoredFile("shared_checksum/000012_sAB12_77.sst", 77, 7, b"x" * 16, Method.LINK, 5, 6),),
    )
)
RECORD = msgspec.msgpack.encode(
    verification.VerificationRecord(
        backup_id=7,
        meta_digest=digest(META),
        last=verification.Proof(date=1.0, tier=verification.Tier.ROWS, asked=verification.Tier.ROWS, families=("a",)),
        reached={"rows": 1.0},
        samples={"1/7": 2.0},
        last_drill=verification.Drill(date=3.0, seconds=4.0),
    )
)
OPTIONS = (
    b'[Version]\n  rocksdb_version=9.8.4\n[DBOptions]\n  wal_dir=/a\\\\b\n  recycle_log_file_num=0\n[CFOptions "x"]\n'
)
JOURNAL = encode_exchange(
    Exchange(
        target="/a",
        incoming="/b",
        previous="/c",
        inode=5,
        wal=WalExchange(directory="/d", incoming="/e", previous="/f"),
    )
)
CONFIG = b"""storage_path: /db
admin_socket_path: /run/admin.socket
checkpoint_config: {db_checkpoint_dir: /backups, db_checkpoint_interval: {secs: 14400, nanos: 0}, sync: true}
walrus_fast:
  max_bytes_per_second: 50MB
  verify_sample: 1/7
  verify_interval: 1h 30m
  data_dirs: [/one, /two]
other: &anchor [1, 2.5, 2001-01-01, *anchor]
"""
ODD_YAML = [
    b"storage_path: ~nobody-at-all/db\n",
    b"storage_path: /db\nwalrus_fast: {0x10: 1}\n",
    b"storage_path: /db\ncheckpoint_config: {0x10: 1}\n",
    b"storage_path: /db\nwalrus_fast: {<<: {log_level: info}}\n",
    b"storage_path: /db\nwalrus_fast: {max_bytes_per_second: " + b"9" * 400 + b"MB}\n",
    b"storage_path: /db\nwalrus_fast: {max_bytes_per_second: " + b"9" * 5000 + b"}\n",
    b"storage_path: 2001-99-99\n",
    b"storage_path: !!int x\n",
    b"storage_path: " + b"[" * 5000,
    b"storage_path: " + b"[" * 900 + b"]" * 900,
    b"storage_path: &a [*a]\n",
    b"a: &a [1,1]\nb: &b [*a,*a]\n"
    + b"".join(b"x%d: &%c [*%c,*%c]\n" % (c, c + 1, c, c) for c in range(ord("b"), ord("z")))
    + b"storage_path: *z\n",
    b'storage_path: "/a\\0b"\n',
    b"? [a, b]\n: 1\nstorage_path: /db\n",
    b"storage_path: /db\nwalrus_fast: {? [a]: 1}\n",
    b"storage_path: /db\nwalrus_fast: {verify_sample: 1/" + b"9" * 5000 + b"}\n",
    b"storage_path: /db\nwalrus_fast: {job_timeout: .nan}\n",
    b"storage_path: /db\nwalrus_fast: {job_timeout: {secs: " + b"9" * 400 + b", nanos: 0}}\n",
]
LINES = [
    b'{"Checkpoint":{"command":{"Create":{"path":null,"delay_secs":5}}}}',
    b'{"Checkpoint":{"command":"Cancel"}}',
    b'{"LogLevel":{"level":"debug"}}',
    b'{"x":' + b"[" * 5000,
    b'{"Checkpoint":{"command":{"Create":{"path":"/x","delay_secs":' + b"9" * 400 + b"}}}}",
    b'{"LogLevel":{"level":"\\ud800"}}',
]


def _answer(command: object) -> Any:
    raise WalrusFastError(f"cannot do {command}")


def _creating() -> None:
    return None


def json_line(data: bytes, _: Path) -> None:
    reply = asyncio.run(JsonLines(_answer, _answer, _creating).line(data))
    assert set(msgspec.json.decode(reply)) == {"success", "message"}
    assert reply.count(b"\n") == 1


def frames(data: bytes, _: Path) -> None:
    stream = Frames(MAX_REQUEST_BYTES)
    stream.feed(data)
    for payload in stream:
        decode_request(payload)


def config(data: bytes, folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_bytes(data)
    repr(load_config(path))


def backup(data: bytes, folder: Path, *, name: str, is_sealed: bool = False) -> None:
    """In its place in a repository, read by all that reads it there."""
    (folder / name).write_bytes(data + digest(data) if is_sealed else data)
    layout = Layout(folder)
    for found in load_catalog(Files(), layout):
        assert found.size >= 0
    HeldFiles(Files(), layout)
    kept_ids(Files(), layout)
    for record in verification.load_records(Files(), layout).values():
        assert record.tier is None or record.tier in verification.Tier
    verification.next_run(Files(), layout, fallback=1)
    verification.last_drilled(Files(), layout)


def options(data: bytes, folder: Path) -> None:
    parse_options("OPTIONS-000007", data)
    (folder / "OPTIONS-000007").write_bytes(data)
    newest_options(Files(), folder)
    table_formats(Files(), folder)


def current(data: bytes, folder: Path) -> None:
    (folder / "CURRENT").write_bytes(data)
    (folder / "IDENTITY").write_bytes(data)
    read_database_id(Files(), folder)
    assert "/" not in read_current(Files(), folder)


def journal(data: bytes, folder: Path) -> None:
    (folder / "exchange.json").write_bytes(data)
    load_exchange(Files(), folder / "exchange.json")


BODY = MANIFEST[:-16]
READERS: dict[str, tuple[Callable[[bytes, Path], object], list[bytes]]] = {
    "meta": (lambda data, _: decode_meta(data, 7), [META, META2]),
    "manifest": (lambda data, _: decode_manifest(data, "manifests/7"), [MANIFEST]),
    "sealed manifest": (lambda data, _: decode_manifest(data + digest(data), "manifests/7"), [BODY]),
    "meta in place": (lambda data, folder: backup(data, folder, name="meta/7"), [META, META2]),
    "manifest in place": (
        lambda data, folder: backup(data, folder, name=".walrus-fast/manifests/7", is_sealed=True),
        [BODY],
    ),
    "record in place": (
        lambda data, folder: backup(data, folder, name=".walrus-fast/verified/7", is_sealed=True),
        [verification.MAGIC + RECORD],
    ),
    "kept mark": (lambda data, folder: backup(data, folder, name=".walrus-fast/kept/7"), [digest(META).hex().encode()]),
    "run counter": (lambda data, folder: backup(data, folder, name=".walrus-fast/verified/runs"), [b"12"]),
    "run date": (lambda data, folder: backup(data, folder, name=".walrus-fast/runs/drill"), [b"1700000000.5"]),
    "options": (options, [OPTIONS]),
    "current": (current, [b"MANIFEST-000007\n"]),
    "journal": (journal, [JOURNAL]),
    "config": (config, [CONFIG, *ODD_YAML]),
    "frames": (frames, [encode_frame(Request(1, Create("/x", 5.0))) * 2]),
    "request": (lambda data, _: decode_request(data), [encode_frame(Request(1, Create("/x", 5.0)))[4:]]),
    "answer": (lambda data, _: decode_message(data), [encode_frame(Done(1, Pong()))[4:]]),
    "line": (json_line, LINES),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with a backup 7 in it, as far as names go."""
    for name in (
        "meta",
        "private/7",
        "shared_checksum",
        *(f".walrus-fast/{n}" for n in ("manifests", "verified", "kept", "runs")),
    ):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "meta" / "7").write_bytes(META)
    (tmp_path / ".walrus-fast" / "manifests" / "7").write_bytes(MANIFEST)
    return tmp_path


def value_or_our_error(read: Callable[[bytes, Path], object], data: bytes, folder: Path) -> None:
    message = "a value"
    tracemalloc.start()
    try:
        read(data, folder)
    except WalrusFastError as exc:
        message = exc.message
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert 0 < len(message) < 20_000
    assert peak < _FIXED + _FACTOR * len(data)


@pytest.mark.parametrize("name", READERS)
def test_the_originals(folder: Path, name: str) -> None:
    read, originals = READERS[name]
    for data in originals:
        value_or_our_error(read, data, folder)


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("name", READERS)
def test_any_bytes(folder: Path, name: str, examples: int) -> None:
    read, originals = READERS[name]
    print("WALRUS_FAST_SEED", SEED)

    @seed(SEED)
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(anything(originals))
    def reads(data: bytes) -> None:
        value_or_our_error(read, data, folder)

    reads()


@pytest.mark.parametrize("depth", [500, 20_000])
@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1x", b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"])
def test_deep_and_announced_msgpack(folder: Path, opening: bytes, depth: int) -> None:
    """Nested as deep as it gets, and lengths that are stated but not there."""
    for name in ("sealed manifest", "record in place", "request", "answer", "frames"):
        read, originals = READERS[name]
        for start in (b"", originals[0][:8], originals[0][:9], b"\x81\xa4type"):
            value_or_our_error(read, start + opening * depth, folder)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("name", ["manifest in place", "record in place"])
def test_fields_of_any_value(folder: Path, name: str) -> None:
    """Well-formed, sealed, and wrong in one or two fields: what an attacker would write."""
    read, (original,) = READERS[name]
    magic, fields = original[:8], msgspec.msgpack.decode(original[8:])

    @seed(SEED)
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.dictionaries(st.sampled_from(sorted(fields)), _VALUES, max_size=2))
    def reads(changed: dict[str, object]) -> None:
        value_or_our_error(read, magic + msgspec.msgpack.encode({**fields, **changed}), folder)

    reads()
