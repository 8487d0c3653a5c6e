"""What tests of the command line share: pages that ``check`` keeps go to a folder of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import check


@pytest.fixture(autouse=True)
def store_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store be in the test's own folder where none is named."""
    option = next(one for one in check.command.params if one.name == "store")
    monkeypatch.setattr(option, "default", tmp_path / "store")
