"""The manual pages: one for each command, rendered without a warning."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import click
import pytest

from docgen.man import pages, write_pages
from tests.cli.test_output import commands
from walrus_fast.cli.app import cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("share") / "man"
    write_pages(made)
    return made


def test_every_command_has_a_page(folder: Path) -> None:
    wanted = {"-".join(("walrus-fast", *name)) for name in commands(cli)} | {"walrus-fast", "walrus-node"}
    assert {path.stem for path in (folder / "man1").iterdir()} == wanted


def test_pages_render_without_a_warning_and_list_their_commands(folder: Path) -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed (tests/packages.sh names its package)")
    for path in sorted((folder / "man1").iterdir()):
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-P-cbou", str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), path.name
        assert "SYNOPSIS" in done.stdout


def test_man_shows_them(folder: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed (tests/packages.sh names its package)")
    wanted = {"walrus-fast": cli.list_commands(click.Context(cli)), "walrus-fast-checkpoint": ["create", "drill"]}
    for name, below in wanted.items():
        done = subprocess.run(
            ["man", "--warnings", "-l", str(folder / "man1" / f"{name}.1")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MANPAGER": "cat", "MANWIDTH": "100"},
        )
        assert (done.returncode, done.stderr) == (0, "")
        shown = done.stdout.split()
        assert all(command in shown for command in below), done.stdout


def test_nothing_of_the_text_is_lost_to_roff() -> None:
    for name, text in pages():
        for line in text.splitlines():
            assert not line.startswith("'"), name
            assert not line.startswith(".") or line.split(" ")[0] in {".TH", ".SH", ".TP", ".B", ".BR", ".PP"}, line
