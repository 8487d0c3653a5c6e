"""A skip is visible, and under REPRISE_REQUIRE=all a failure. Tried on a small project with our conftest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

SUITE = """
import pytest

def test_needs(require):
    require("fuse", "is not here")

@pytest.mark.xfail(strict=True)
def test_known():
    assert False
"""


def run_suite(folder: Path, required: str, suite: str = SUITE) -> subprocess.CompletedProcess[str]:
    """Run pytest on `suite` with our conftest, on a machine that has nothing."""
    (folder / "conftest.py").write_text(
        CONFTEST.read_text().replace("/dev/fuse", "/dev/no-such-device")
    )
    (folder / "test_suite.py").write_text(suite)
    environment = {**os.environ, "REPRISE_REQUIRE": required}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "-c", os.devnull, "--rootdir", str(folder), str(folder)]  # fmt: skip
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_missing_need_is_a_visible_skip(tmp_path: Path) -> None:
    """Without the switch a missing need is skipped, and its reason is printed."""
    run = run_suite(tmp_path, "")

    assert run.returncode == 0
    assert "fuse is missing: it is not here" in run.stdout


@pytest.mark.slow
def test_missing_need_fails_when_all_is_required(tmp_path: Path) -> None:
    """With REPRISE_REQUIRE=all the same skip fails the run, and an expected failure does not."""
    run = run_suite(tmp_path, "all")

    assert run.returncode == 1
    assert "allows no skip, but: Skipped: fuse is missing: it is not here" in run.stdout
    assert "1 failed, 1 xfailed" in run.stdout


@pytest.mark.slow
def test_module_that_skips_itself_fails_when_all_is_required(tmp_path: Path) -> None:
    """A skip during collection is no way around it."""
    run = run_suite(
        tmp_path, "all", "import pytest\npytest.skip('not today', allow_module_level=True)\n"
    )

    assert run.returncode != 0
    assert "not today" in run.stdout
