"""What is released: built, checked, and tried as a user gets it. `make release` does the same into dist/."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.server.node import PROJECT
from walrus_fast.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.databases import Template

pytestmark = pytest.mark.timeout(600)  # pip builds and installs

SCRIPTS = PROJECT / "deploy" / "release"
_TIMEOUT = 600


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of this tree, built in a copy of it: setuptools writes beside the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in tree():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, source / name)
    return build(source, tmp_path_factory.mktemp("sdist"), "--sdist")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from nothing but the sdist."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    return build(unpacked / f"walrus_fast-{VERSION}", tmp_path_factory.mktemp("wheel"), "--wheel")


def tree() -> set[str]:
    """The names of this tree's files, by git; in an export by what does not come about by itself."""
    if not (PROJECT / "src").exists():
        pytest.skip("this is the suite of an sdist without its sources, beside an installed wheel")
    command = ["git", "-c", f"safe.directory={PROJECT}", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return {name for name in listed.stdout.splitlines() if (PROJECT / name).exists()}
    made = re.compile(
        r"(^|/)(\.venv|build|dist|\.[a-z_]+_cache|__pycache__|\.hypothesis|[^/]+\.egg-info)/|\.so$|^bench/results/"
    )
    names = {str(path.relative_to(PROJECT)) for path in PROJECT.rglob("*") if path.is_file()}
    return {name for name in names if not made.search(name)}


def build(source: Path, out: Path, what: str) -> Path:
    """Run the project's build; the one file that it made."""
    run(sys.executable, "-m", "build", what, "--outdir", out, source)
    (made,) = out.iterdir()
    return made


def run(*command: object) -> str:
    """A command that succeeds, away from the sources; what it wrote."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)), cwd="/", capture_output=True, text=True, timeout=_TIMEOUT, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_sdist_is_the_whole_tree(sdist: Path) -> None:
    """Tests, headers, recipes and measurements: who has it can do all that we can. MANIFEST.in says what goes in."""
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if not member.isdir()}
    assert tree() - names == set(), "say so in MANIFEST.in"
    assert {name for name in names - tree() if "egg-info/" not in name} == {"PKG-INFO", "setup.cfg"}


def test_the_wheel_fits_every_python_from_3_11_and_holds_the_package_only(wheel: Path) -> None:
    assert wheel.name.startswith(f"walrus_fast-{VERSION}-cp311-abi3-linux_")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {"walrus_fast", f"walrus_fast-{VERSION}.dist-info"}
    assert "walrus_fast/_native.abi3.so" in names
    assert "walrus_fast/py.typed" in names
    assert f"walrus_fast-{VERSION}.dist-info/licenses/LICENSE" in names


def test_the_version_stands_in_one_place() -> None:
    """Besides version.py: the changelog's newest heading, and the tags in the Kubernetes examples."""
    newest = re.search(r"^## (.*)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert VERSION in newest[1]
    assert "version" in tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dynamic"]
    for path in (PROJECT / "deploy" / "kubernetes").glob("*.yaml"):
        assert set(re.findall(r"walrus-fast:(\S+)", path.read_text())) == {VERSION}


def test_the_wheel_works_in_an_environment_of_its_own(
    wheel: Path, templates: dict[str, Template], tmp_path: Path
) -> None:
    """Installed with the locked dependencies and nothing else: backup, verification up to the rows, restore."""
    folder = tmp_path / "venv" / "bin"
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    pip = (folder / "pip", "--quiet", "--disable-pip-version-check", "install")
    run(*pip, "--require-hashes", "--only-binary", ":all:", "--requirement", PROJECT / "requirements.lock")
    run(*pip, "--no-deps", wheel)
    run(folder / "pip", "check")
    shutil.copytree(templates["killed"].folder, tmp_path / "db")
    program, repository = folder / "walrus-node", tmp_path / "repository"
    assert VERSION in run(program, "--version")
    run(program, "checkpoint", "create", "--db-path", tmp_path / "db", "--path", repository)
    run(program, "checkpoint", "verify", "--path", repository, "--tier", "rows")
    run(program, "restore", "--db-checkpoint-path", repository, "--db-path", tmp_path / "restored")
    assert (tmp_path / "restored" / "CURRENT").exists()


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_what_is_released_passes_the_suite_on_every_python(tmp_path: Path) -> None:
    """The scripts of `make release`, with the interpreters that it finds."""
    shown = subprocess.run(["make", "-n", "release"], cwd=PROJECT, capture_output=True, text=True, check=True)
    pythons = re.findall(r"\S+/bin/python|python3\.\d+", shown.stdout.splitlines()[-1])
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"PYTHON": sys.executable}
    subprocess.run(["sh", SCRIPTS / "build.sh", tmp_path / "dist"], env=environment, check=True)
    for python in pythons:
        assert shutil.which(python), f"{python} is not installed: name those that are with PYTHONS="
        subprocess.run(
            ["sh", SCRIPTS / "try.sh", tmp_path / "dist", python, "-m", "not long"], env=environment, check=True
        )
