"""What the contract suites share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from descriptors import closing_files_below


@pytest.fixture(autouse=True)
def _no_file_stays_open(tmp_path: Path) -> Iterator[None]:
    """Disks are killed by forgetting them: their files are closed behind each test."""
    with closing_files_below(tmp_path):
        yield
