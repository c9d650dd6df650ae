"""What the commands print: the guide's lines, one JSON document, help for each command, progress on a terminal."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from tests.support.command import PROGRAM, backups, create, run, succeed
from tests.support.killing import Run
from tests.support.untouched import is_clean
from walrus_fast.cli.app import cli
from walrus_fast.cli.format import format_bytes, format_duration, format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    CopyOf = Callable[[str, Path], Path]

SAMPLE = "Backup ID: 1, Size: 85.9 GB, Files: 1055, Created: 2025-07-02T00:25:48Z"
LINE = re.compile(r"Backup ID: \d+, Size: \d+(\.\d)? [KMGT]?B, Files: \d+, Created: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def small(copy_of: CopyOf, tmp_path: Path) -> Path:
    return copy_of("small", tmp_path / "db")


def commands(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*above, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))


def test_the_tables_name_the_commands_as_they_name_themselves() -> None:
    for name in commands(cli):
        group: click.Command | None = cli
        for word in name:
            assert isinstance(group, click.Group)
            group = group.get_command(click.Context(group), word)
        assert group is not None
        assert group.name == name[-1]


def test_a_command_imports_only_what_it_needs() -> None:
    program = "import sys; from walrus_fast.cli import create_cmd; print('\\n'.join(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert "walrus_fast.operations.backup.create" in found
    foreign = ("walrus_fast.operations.proof.verify", "walrus_fast.probe", "walrus_fast.exchange", "pebble", "asyncio")
    assert [module for module in found if module.startswith(foreign)] == []


def test_the_list_is_that_of_the_guide(small: Path, repository: Path) -> None:
    assert LINE.fullmatch(SAMPLE)
    for _ in range(2):
        create(small, repository)
    outcome = run("checkpoint", "list", "--path", repository)
    heading, *lines = outcome.stdout.splitlines()
    assert heading == "Backups:"
    assert [line.split(",")[0] for line in lines] == ["Backup ID: 1", "Backup ID: 2"]
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert outcome.stderr == ""


def test_the_older_command_lists_too(small: Path, repository: Path) -> None:
    create(small, repository)
    heading, line = run("list-db-checkpoint", repository).stdout.splitlines()
    assert heading == f"Available checkpoints in {repository}:"
    assert line.startswith("  ")
    assert LINE.fullmatch(line.strip())


def test_numbers_and_times() -> None:
    sizes = [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (85_900_000_000, "85.9 GB"), (999_960, "1.0 MB")]
    assert [format_bytes(size) for size, _ in sizes] == [text for _, text in sizes]
    assert format_time(1751415948) == "2025-07-02T00:25:48Z"
    assert format_time(0) == "Unknown"
    assert "invalid" in format_time(10**18)
    assert [format_duration(seconds) for seconds in (0.0034, 12.34, 245, 7380)] == [
        "3.4 ms",
        "12.3 s",
        "4 min 05 s",
        "2 h 03 min",
    ]


def test_json_is_one_document_with_the_fields_that_programs_need(small: Path, repository: Path) -> None:
    report = create(small, repository)
    assert {"backup_id", "files", "bytes_total", "files_new", "captured_sequence", "pin_seconds"} <= report.keys()
    assert report["files"] == report["files_new"] + 3
    (backup,) = backups(repository)
    assert {"backup_id", "created", "size", "files", "damaged", "problems", "database_id"} <= backup.keys()
    assert succeed("list-db-checkpoint", repository)["backups"] == [backup]
    assert run("checkpoint", "create", "--db-path", small, "--path", repository, "--json").stderr == ""


@pytest.mark.parametrize("name", [*commands(cli), ()], ids=" ".join)
def test_every_command_explains_itself(name: tuple[str, ...]) -> None:
    outcome = run(*name, "--help")
    assert outcome.status == 0
    assert outcome.stdout.startswith("Usage: walrus-fast " + " ".join(name))
    assert len(outcome.stdout.splitlines()) > 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("local-admin", "info"),
        ("checkpoint", "create"),
        ("checkpoint", "create", "--workers", "0"),
        ("nonsense",),
        ("restore", "--force"),
    ],
)
def test_wrong_usage_is_status_2(arguments: tuple[str, ...]) -> None:
    outcome = run(*arguments)
    assert outcome.status == 2
    assert "Error" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_log_gets_a_plain_line_for_each_phase(small: Path, repository: Path) -> None:
    outcome = run("checkpoint", "create", "--db-path", small, "--path", repository)
    assert outcome.stderr.splitlines() == ["pinning ...", "transferring ...", "committing ..."]
    assert outcome.stdout.startswith("Backup 1 of 1.1 MB in 5 files")


def test_a_terminal_gets_a_bar(copy_of: CopyOf, tmp_path: Path) -> None:
    database = copy_of("tables", tmp_path / "db")
    shown = on_a_terminal(
        *("checkpoint", "create", "--db-path", database, "--path", tmp_path / "repo", "--transfer-mode", "copy"),
        *("--max-bytes-per-second", "100MB"),
    )
    bars = re.findall(r"\r\x1b\[Ktransferring \[([#.]{24})\]\s+(\d+)%  ", shown)
    shares = [int(share) for _, share in bars]
    assert len(set(shares)) > 2, shown
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert shown.endswith("\r\x1b[K")


def on_a_terminal(*arguments: object) -> str:
    """Run with standard error on a pty; what it showed there."""
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(
        [str(PROGRAM), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:
                break  # EIO: the other side is closed
        assert process.wait(60) == 0
    os.close(ours)
    return shown.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", ["create", "restore", "verify"])
def test_a_signal_ends_a_job_cleanly(copy_of: CopyOf, tmp_path: Path, what: str, number: int) -> None:
    database, repository = copy_of("tables", tmp_path / "db"), tmp_path / "repo"
    slow = ("--max-bytes-per-second", "1MB")
    if what != "create":
        create(database, repository)
    arguments = {
        "create": ("checkpoint", "create", "--db-path", database, "--path", repository, "--transfer-mode", "copy"),
        "restore": ("restore", "--db-checkpoint-path", repository, "--db-path", tmp_path / "new"),
        "verify": ("checkpoint", "verify", "--path", repository),
    }[what]
    run = Run(*arguments, *slow, "--json", stderr=subprocess.PIPE)
    counters = f"/proc/{run.process.pid}/fd"
    run.wait_until("no transfer", lambda: any("walrus-fast-control" in link for link in links_in(counters)))
    status, out, error = run.end(number)
    assert status == 130
    assert '"cancelled"' in out
    assert error == ""
    is_clean(repository, database)
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".new*"))


def links_in(folder: str) -> list[str]:
    found: list[str] = []
    try:
        found += [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)]
    except OSError:
        pass  # opened and closed while we look
    return found


def test_a_reader_that_has_seen_enough(small: Path, repository: Path) -> None:
    create(small, repository)
    listing = ("checkpoint", "list", "--path", str(repository))
    missing = ("checkpoint", "list", "--path", str(repository / "missing"), "--json")
    for arguments in (listing, ("checkpoint", "--help"), ("--help",), ("--version",), missing):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            [str(PROGRAM), *arguments], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
        os.close(write)
        assert done.returncode == (20 if arguments == missing else 0), done
        assert done.stderr == ""


def test_a_report_that_cannot_be_written_is_no_success(small: Path, repository: Path) -> None:
    create(small, repository)
    with Path("/dev/full").open("wb") as full:
        command = [str(PROGRAM), "checkpoint", "list", "--path", str(repository)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 31
    assert done.stderr.startswith("error: cannot write the report to standard output: No space left on device")
    assert "Traceback" not in done.stderr
