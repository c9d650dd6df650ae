"""Jobs: what is said of them, what outlives what, and that an end is an end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from tests.server.node import final, processes_of, running_node, wait_for, write_config
from tests.support.command import PROGRAM
from walrus_fast.client.blocking import AdminClient
from walrus_fast.errors import BackupNotFound, JobNotFound, QueueFull

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.server.node import Node


def test_no_wait_returns_at_once_and_watch_shows_the_job_to_its_end(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, max_bytes_per_second="4MB")) as node:
        outcome = node.admin("checkpoint", "create", "--no-wait", "--json")
        job_id = outcome.document["job_id"]
        assert outcome.document["state"] in ("queued", "running")
        with node.client() as client:
            steps = list(client.watch(job_id))
        assert {step.phase for step in steps} >= {"transferring"}
        counted = [step.bytes_done for step in steps if step.phase == "transferring"]
        assert counted == sorted(counted)
        assert len(set(counted)) > 3
        assert steps[-1].state == "succeeded"
        assert node.admin("checkpoint", "status", "--job-id", job_id).stdout.startswith(f"Job {job_id}: create of ")


def test_every_line_of_a_job_bears_its_id(node: Node) -> None:
    with node.client() as client:
        job = final(client, client.create())
    wait_for(lambda: node.lines and node.lines[-1]["message"] == "succeeded", "the last line")
    lines = [line for line in node.lines if line.get("job") == job.job_id]
    assert lines[-1]["message"] == "succeeded"
    assert len(lines) >= 4


def test_a_delayed_job_is_scheduled_and_can_be_cancelled_before_it_begins(node: Node) -> None:
    with node.client() as client, node.client() as other:
        job = client.create(delay_secs=3600)
        assert job.state == "scheduled"
        assert job.due == pytest.approx(job.created + 3600)
        cancelled = other.cancel(job.job_id)
        assert cancelled is not None
        assert (cancelled.state, cancelled.started) == ("cancelled", None)
        assert final(client, client.create(delay_secs=0.2)).state == "succeeded"


def test_one_job_per_repository_and_no_more_workers_than_allowed(database: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, checkpoint={"max_background_operations": 2}, max_bytes_per_second="3MB")
    with running_node(config) as node, node.client() as client:
        one, two, three = (str(tmp_path / name) for name in ("one", "two", "three"))
        jobs = [client.create(path) for path in (one, one, two, three)]
        seen_busy = set()
        while not all(job.state.is_final for job in client.status()):
            running = [job for job in client.status() if job.started is not None and not job.state.is_final]
            assert len({job.repository for job in running}) == len(running) <= 2
            seen_busy.add(client.info().workers_busy)
            client.set_limits(max_bytes_per_second=30_000_000)
        assert max(seen_busy) == 2
        assert [client.status(job.job_id)[0].state for job in jobs] == ["succeeded"] * 4
        assert [backup.backup_id for backup in client.list(one).backups] == [1, 2]


def test_the_queue_is_bounded(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, max_queued_jobs=2)) as node, node.client() as client:
        for _ in range(2):
            client.create(delay_secs=3600)
        with pytest.raises(QueueFull):
            client.create(delay_secs=3600)


def test_a_limit_is_in_force_at_once(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, max_bytes_per_second="100KB")) as node, node.client() as client:
        job = client.create()
        wait_for(lambda: client.status(job.job_id)[0].phase == "transferring", "the transfer")
        assert node.admin("limits", "set", "--max-bytes-per-second", "0").stdout == "No limit from now on.\n"
        assert final(client, job).state == "succeeded"


def test_a_job_that_takes_too_long_is_timed_out_and_leaves_nothing(database: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, job_timeout=1.5, max_bytes_per_second="100KB")
    with running_node(config) as node, node.client() as client:
        job = final(client, client.create())
        assert job.state == "timed-out"
        assert job.error is not None
        assert job.error.code == "timed-out"
        assert_nothing_left(node)
        client.set_limits(max_bytes_per_second=0)
        assert final(client, client.create()).state == "succeeded"


def test_a_killed_job_process_fails_its_job_and_nothing_else(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, max_bytes_per_second="1MB")) as node, node.client() as client:
        job = client.create()
        wait_for(lambda: client.status(job.job_id)[0].bytes_done > 0, "the transfer")
        assert node.staging() != []
        for pid in processes_of(node.process.pid):
            os.kill(pid, signal.SIGKILL)
        last = final(client, job)
        assert last.state == "failed"
        assert last.error is not None
        assert last.error.code == "worker-died"
        assert "killed by signal 9" in last.error.message
        assert_nothing_left(node)
        client.set_limits(max_bytes_per_second=0)
        assert final(client, client.create()).state == "succeeded"


def test_a_job_process_that_hangs_is_killed_and_its_leftovers_removed(database: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, stop_timeout=1, max_bytes_per_second="1MB")
    with running_node(config) as node, node.client() as client:
        job = client.create()
        wait_for(lambda: client.status(job.job_id)[0].bytes_done > 0, "the transfer")
        for pid in processes_of(node.process.pid):
            os.kill(pid, signal.SIGSTOP)
        cancelled = client.cancel(job.job_id)
        assert cancelled is not None
        assert cancelled.state == "cancelled"
        assert_nothing_left(node)


def relay_once(listener: socket.socket, target: Path) -> None:
    """Pass one connection on to `target`, and cut it after the first answer."""
    peer, _ = listener.accept()
    with peer, socket.socket(socket.AF_UNIX) as onward:
        onward.connect(str(target))
        onward.sendall(peer.recv(4096))
        peer.sendall(onward.recv(4096))


def test_a_watch_survives_a_broken_connection(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, max_bytes_per_second="1MB")) as node, node.client() as client:
        job = client.create()
        relay = tmp_path / "relay"
        with socket.socket(socket.AF_UNIX) as listener, AdminClient(relay) as watcher:
            listener.bind(str(relay))
            listener.listen()
            thread = threading.Thread(target=relay_once, args=(listener, node.socket))
            thread.start()
            steps = watcher.watch(job.job_id)
            assert not next(steps).state.is_final
            thread.join()
            relay.unlink()
            relay.symlink_to(node.socket)  # from now on it leads to the node itself
            client.set_limits(max_bytes_per_second=0)
            *_, last = steps
        assert (last.job_id, last.state) == (job.job_id, "succeeded")


def test_ctrl_c_leaves_the_job_running(database: Path, tmp_path: Path) -> None:
    with running_node(write_config(tmp_path, max_bytes_per_second="1MB")) as node, node.client() as client:
        command = [str(PROGRAM), "local-admin", "--socket-path", str(node.socket), "checkpoint", "create"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: client.status() and client.status()[0].bytes_done > 0, "the transfer")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "goes on" in said
        client.set_limits(max_bytes_per_second=0)
        assert final(client, client.status()[0]).state == "succeeded"


def cancel_at_random(node: Node, randomness: random.Random, times: int) -> set[str]:
    """Cancel a backup after a random time, `times` times; the final states seen."""
    states = set()
    with node.client() as client:
        for _ in range(times):
            job = client.create()
            moment = randomness.choice(["", "pinning", "transferring", "committing", "bytes"])
            reached = randomness.randrange(1 << 20)

            def is_there(job_id: str = job.job_id, moment: str = moment, reached: int = reached) -> bool:
                now = client.status(job_id)[0]
                return now.state.is_final or now.phase == moment or (moment == "bytes" and now.bytes_done > reached)

            wait_for(is_there, moment)
            ended = client.cancel(job.job_id)
            assert ended is not None
            states.add(ended.state.value)
            assert ended.state in ("cancelled", "succeeded"), ended
            assert_nothing_left(node)
        assert final(client, client.create()).state == "succeeded"
        assert all(not backup.problems for backup in client.list().backups)
    return states


def test_cancel_at_random_moments_leaves_nothing(database: Path, tmp_path: Path, randomness: random.Random) -> None:
    config = write_config(tmp_path, transfer_mode="copy", max_bytes_per_second="10MB")
    with running_node(config) as node:
        assert "cancelled" in cancel_at_random(node, randomness, 10)


@pytest.mark.long
def test_cancel_50_times_at_random(database: Path, tmp_path: Path, randomness: random.Random) -> None:
    config = write_config(tmp_path, transfer_mode="copy", max_bytes_per_second="10MB")
    with running_node(config) as node:
        assert "cancelled" in cancel_at_random(node, randomness, 50)


def test_verify_delete_and_pin_over_the_socket(node: Node) -> None:
    with node.client() as client:
        for _ in range(3):
            assert final(client, client.create()).state == "succeeded"
        client.pin(1)
        assert [backup.pinned for backup in client.list().backups] == [True, False, False]
        assert final(client, client.verify()).state == "succeeded"
        refused = final(client, client.delete(1)).error
        assert refused is not None
        assert refused.code == "backup-pinned"
        assert final(client, client.delete(2)).state == "succeeded"
        client.pin(1, pinned=False)
        assert final(client, client.delete(1)).state == "succeeded"
        assert [backup.backup_id for backup in client.list().backups] == [3]
        with pytest.raises(BackupNotFound):
            client.pin(9)
        with pytest.raises(JobNotFound):
            client.status("nonsense")


def test_verify_of_a_damaged_backup_ends_with_its_exit_status(node: Node) -> None:
    with node.client() as client:
        final(client, client.create())
    table = next((node.folder / "checkpoints" / "shared_checksum").glob("*.sst"))
    data = bytearray(table.read_bytes())
    table.unlink()
    data[len(data) // 2] ^= 1
    table.write_bytes(data)
    outcome = node.admin("checkpoint", "verify")
    assert outcome.status == 25
    assert "DAMAGED" in outcome.stdout


def assert_nothing_left(node: Node) -> None:
    """No process works for the node, and its repository has no leftovers."""
    wait_for(lambda: processes_of(node.process.pid) == [], "the end of the processes")
    assert node.staging() == []
    assert not list(node.folder.glob(".db.walrus-fast-pins/*"))
