"""The original's protocol, in the serde form of its Rust types (`AdminCommands` in bin/node.rs)."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from tests.server.node import final, running_node, speak, wait_for, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.node import Node

CREATE = '{"Checkpoint":{"command":{"Create":{"path":null,"delay_secs":null}}}}'
CANCEL = '{"Checkpoint":{"command":"Cancel"}}'


def test_create_cancel_list_and_log_level_get_the_originals_answers(node: Node, tmp_path: Path) -> None:
    manual = tmp_path / "manual"
    answers = speak(
        node.socket,
        CREATE,
        f'{{"Checkpoint":{{"command":{{"Create":{{"path":"{manual}","delay_secs":0}}}}}}}}',
        CANCEL,
        '{"LogLevel":{"level":"debug"}}',
        '{"LogLevel":{"level":"walrus_service::node=debug"}}',
        '{"Checkpoint":{"command":{"List":{"path":null}}}}',
    )
    assert [answer["success"] for answer in answers] == [True] * 6
    assert answers[0]["message"] == answers[1]["message"] == "Checkpoint created successfully"
    assert answers[2]["message"] == "No backup was in progress"
    assert answers[3]["message"] == "Log level updated successfully to: debug"
    assert answers[4]["message"] == "Log level updated successfully to: walrus_service::node=debug"
    assert re.fullmatch(
        r"Backups:\n  Backup ID: 1, Size: \d+\.\d [KM]B, Files: \d+, Created: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        answers[5]["message"],
    )
    assert (manual / "meta" / "1").exists()


def test_what_is_no_command_is_answered_and_the_connection_goes_on(node: Node) -> None:
    answers = speak(
        node.socket,
        '{"Checkpoint":{"command":"Destroy"}}',
        "{}",
        '{"LogLevel":{"level":"loud"}}',
        '{"LogLevel":5}',
        '{"Checkpoint":{"command":{"Create":{"path":"relative"}}}}',
        "[1]",
        "{",
        "",
        CANCEL,
    )
    assert [answer["success"] for answer in answers] == [False] * 8 + [True]
    assert all(answer["message"].startswith("Failed to ") for answer in answers[:-1])


def test_cancel_stops_a_running_create_which_says_so_to_its_client(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, max_bytes_per_second="1MB")) as node:
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.settimeout(30)
            waiting.connect(str(node.socket))
            waiting.sendall(CREATE.encode() + b"\n")
            with node.client() as client:
                wait_for(lambda: any(job.phase == "transferring" for job in client.status()), "the transfer")
            refused, cancelled = speak(node.socket, CREATE, CANCEL)
            assert refused == {"success": False, "message": "Failed to create checkpoint: CheckpointInProgress"}
            assert cancelled == {"success": True, "message": "Checkpoint creation cancelled"}
            assert waiting.recv(4096).startswith(b'{"success":false,"message":"Failed to create checkpoint: ')
        assert node.staging() == []
        assert not list((tmp_path / "checkpoints" / "meta").iterdir())


def test_a_client_that_hangs_up_does_not_stop_its_backup(node: Node) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(node.socket))
        peer.sendall(CREATE.encode() + b"\n")
    with node.client() as client:
        wait_for(client.status, "the job")
        assert final(client, client.status()[0]).state == "succeeded"


def test_cancel_is_about_backups_and_leaves_a_verification_alone(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path)) as node, node.client() as client:
        assert final(client, client.create()).state == "succeeded"
        client.set_limits(max_bytes_per_second=1_000_000)
        job = client.verify()
        assert speak(node.socket, CANCEL) == [{"success": True, "message": "No backup was in progress"}]
        client.set_limits(max_bytes_per_second=0)
        assert final(client, job).state == "succeeded"


def test_a_delayed_backup_can_be_cancelled(node: Node) -> None:
    with node.client() as client:
        job = client.create(delay_secs=3600)
        assert speak(node.socket, CANCEL) == [{"success": True, "message": "Checkpoint creation cancelled"}]
        assert client.status(job.job_id)[0].state == "cancelled"
