"""A repository that every test here may copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.verify.backups import build_repository, copy_repository

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sound backups: 1 and 2 share all table and blob files, 3 is of later. Never changed."""
    return build_repository(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def repository(sound: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return copy_repository(sound, tmp_path / "repo")
