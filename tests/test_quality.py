"""Style, types and the arrows between the packages: the tools' findings as tests, so that one command says all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(sys.executable).parent

CHECKS = {
    "ruff": ["ruff", "check", "--quiet", "."],
    "mypy": ["mypy", "--no-error-summary"],
    "import-linter": ["lint-imports"],
}


@pytest.mark.slow
@pytest.mark.parametrize("tool", CHECKS)
def test_tool_finds_nothing(tool: str) -> None:
    """The tool has nothing to say about the tree."""
    program, *arguments = CHECKS[tool]
    path = shutil.which(program, path=str(PROGRAMS)) or shutil.which(program)
    assert path is not None, f"{program} is missing: start the tests by ./reprise test"
    found = subprocess.run(
        [path, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("script", ["reprise", ".ci/run"])
def test_scripts_are_well_formed(script: str) -> None:
    """The shells that run the scripts can parse them."""
    shell = "bash" if script == ".ci/run" else "sh"
    found = subprocess.run(
        [shell, "-n", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (found.returncode, found.stderr) == (0, "")
