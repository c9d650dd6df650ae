"""A small database and a backup of an earlier state of it, made once and copied for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.exchange.scene import Scene, build_scene, copy_scene

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return build_scene(tmp_path_factory.mktemp("original"))


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for one test."""
    return copy_scene(original, tmp_path / "scene")
