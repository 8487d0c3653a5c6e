"""What the node tests share: no node outlives its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from node_lab import end_all


@pytest.fixture(autouse=True)
def _no_node_outlives_its_test() -> Iterator[None]:
    """Nodes that a test left running are ended: their stores would be seen open by others."""
    yield
    end_all()
