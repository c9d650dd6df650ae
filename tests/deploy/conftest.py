"""One booted system for the tests of this folder: booting takes seconds, and each test leaves it as it found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deploy.booted import booted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deploy.booted import System


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running systemd with our units installed."""
    with booted(tmp_path_factory.mktemp("booted")) as system:
        yield system
