"""A node on a copy of a database, for tests that need nothing special."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.node import Node, running_node, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def node(database: Path, tmp_path: Path) -> Iterator[Node]:
    """A running node with no schedule."""
    with running_node(write_config(tmp_path)) as node:
        yield node
