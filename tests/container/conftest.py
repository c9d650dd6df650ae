"""One image for all tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.container.engine import built_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.container.engine import Engine


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Podman with the image of this tree."""
    with built_image(tmp_path_factory.mktemp("image")) as engine:
        yield engine
