"""Starting costs little: what a command does not need is not imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("apsw", "asyncio", "jinja2", "matplotlib", "numpy", "pandas", "rich")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["nonsense"]])
def test_heavy_modules_stay_out(arguments: list[str]) -> None:
    """Help, version and refusals load neither engine, template, table nor plot."""
    script = (
        "import sys\nfrom harness.cli import main\nmain(sys.argv[1:])\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True)

    assert run.stdout.splitlines()[-1] == "LOADED []"
