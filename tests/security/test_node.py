"""The node: what is secret stays out of its log, and no command, however odd, is a fault of ours."""

from __future__ import annotations

import shutil
import socket
from typing import TYPE_CHECKING

import msgspec
import yaml

from tests.server.node import running_node, speak, write_config
from walrus_fast.protocol.frames import MAX_REPLY_BYTES, Frames, decode_message
from walrus_fast.protocol.messages import Done, Event, Failure
from walrus_fast.tiers import Tier

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.node import Node

CANARY = "canary-7f3a91"
NUMBERS = (-(2**63), -1, 0, 1 << 32, 2**63 - 1)
PATHS = (
    "",
    ".",
    "relative",
    "/",
    "/dev/zero",
    "/proc/self/mem",
    "/a\0b",
    "/" + "x" * 300,
    "/../..//etc",
    "/nowhere\n",
)


def odd_commands() -> list[dict[str, object]]:
    made: list[dict[str, object]] = []
    for path in PATHS:
        made += [{"type": kind, "path": path} for kind in ("list", "verify", "drill", "prune")]
        made += [{"type": kind, "path": path, "backup_id": 1} for kind in ("delete", "pin")]
        made += [{"type": kind, "path": "/nowhere", "scratch_dir": path} for kind in ("verify", "drill")]
    for number in NUMBERS:
        made += [{"type": kind, "path": "/nowhere", "backup_id": number} for kind in ("delete", "pin", "drill")]
        made += [
            {"type": "verify", "path": "/nowhere", "ids": [number]},
            {"type": "prune", "path": "/nowhere", "keep": number},
        ]
        made.append({"type": "limits", "max_bytes_per_second": number})
    made += [
        {"type": "verify", "path": "/nowhere", "sample": text} for text in ("0%", "1/0", "1/" + "9" * 5000, "1e-400%")
    ]
    made += [{"type": "log-level", "level": text} for text in ("", "x" * 10_000, "info,=,", "a=b=c", "\0", "info")]
    made += [{"type": kind, "job_id": "\0" * 100} for kind in ("status", "watch", "cancel")]
    return made


def ask(node: Node, command: dict[str, object]) -> Done | Failure:
    """A connection of its own: a violation of the protocol ends it."""
    payload = msgspec.msgpack.encode({"type": "request", "id": 1, "command": command, "version": 1})
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(30)
        peer.connect(str(node.socket))
        peer.sendall(len(payload).to_bytes(4, "big") + payload)
        frames = Frames(MAX_REPLY_BYTES)
        while data := peer.recv(1 << 16):
            frames.feed(data)
            for answer in map(decode_message, frames):
                if not isinstance(answer, Event):
                    return answer
    raise AssertionError(f"no answer to {command}")


def test_odd_commands_are_answered(original: Path, tmp_path: Path) -> None:
    """`running_node` fails for a traceback in the log; a number that is too large is the protocol's to refuse."""
    shutil.copytree(original / "db", tmp_path / "db")
    with running_node(write_config(tmp_path, max_queued_jobs=10_000)) as node:
        for command in odd_commands():
            answer = ask(node, command)
            assert not isinstance(answer, Failure) or answer.error.code, command
        for path in ("/dev/zero", "/a\0b", "/proc/self/mem/x", str(tmp_path / ("x" * 300)), str(tmp_path / "a\nb")):
            ask(node, {"type": "create", "path": path})
        for delay in (float("nan"), float("inf"), 1e300, 10**30):
            assert isinstance(ask(node, {"type": "create", "delay_secs": float(delay)}), Failure)
        for line in ('{"x":' + "[" * 20_000, '{"LogLevel":{"level":"\\ud800"}}'):
            (said,) = speak(node.socket, line)
            assert said["success"] is False
        with node.client() as client:
            assert client.info().memory < 300_000_000


def test_what_may_be_secret_is_not_logged(original: Path, tmp_path: Path) -> None:
    """The environment, the node's own keys, and rows: with the log at its most talkative."""
    shutil.copytree(original / "db", tmp_path / "db")
    config = write_config(tmp_path, log_level="debug")
    document = yaml.safe_load(config.read_text())
    document |= {"protocol_key_pair": CANARY, "sui": {"wallet": CANARY, "deep": [CANARY]}}
    config.write_text(yaml.safe_dump(document))
    with running_node(config, environment={"API_TOKEN": CANARY}) as node:
        with node.client() as client:
            for job in (client.create(), client.verify(tier=Tier.ROWS)):
                *_, last = client.watch(job.job_id)
                assert last.state == "succeeded"
            assert CANARY not in repr((client.info(), client.status()))
        node.config.write_text(yaml.safe_dump({**document, "walrus_fast": {"nonsense": CANARY}}))
        speak(node.socket, '{"Checkpoint":{"command":{"List":{"path":null}}}}')
    assert len(node.lines) > 5
    assert CANARY not in node.log
