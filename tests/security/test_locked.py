"""What is locked is what the package asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def locked(name: str) -> dict[str, int]:
    """Each package and how many hashes it has."""
    text = (PROJECT / name).read_text()
    found = re.findall(r"^([a-z0-9-]+)==[^ ]+(.*?)(?=^[a-z]|\Z)", text, re.MULTILINE | re.DOTALL)
    return {package: block.count("--hash=sha256:") for package, block in found}


def test_every_dependency_is_locked_with_hashes() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    for wanted, name in (
        (project["project"]["dependencies"], "requirements.lock"),
        (project["build-system"]["requires"], "requirements-build.lock"),
    ):
        have = locked(name)
        assert {re.split(r"[^A-Za-z0-9-]", text)[0].lower() for text in wanted} <= have.keys(), "run `make lock`"
        assert all(have.values())


def test_no_index_is_named() -> None:
    for name in ("requirements.lock", "requirements-build.lock"):
        assert "://" not in (PROJECT / name).read_text()
