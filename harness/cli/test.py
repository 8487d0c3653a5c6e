"""``reprise test``: the project's own tests, with its style, types and arrows among them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import click

from harness.errors import UserMistake

__all__ = ["command"]

_ROOT = Path(__file__).resolve().parents[2]


@click.command(name="test", context_settings={"ignore_unknown_options": True})
@click.option("--quick", is_flag=True, help="Leave out what is slow or starts real processes.")
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def command(quick: bool, pytest_arguments: tuple[str, ...]) -> int:
    """Run the project's own tests; further arguments go to pytest.

    REPRISE_REQUIRE=all makes a skipped test a failed one.
    """
    if not (_ROOT / "tests").is_dir():
        raise UserMistake("the tests are in the source checkout, not in the installed package")
    if importlib.util.find_spec("pytest") is None:
        raise UserMistake("pytest is missing; start the tests by ./reprise test, which installs it")
    selection = ["-m", "not slow and not real"] if quick else []
    workers = [] if {"-n", "--pdb", "-s"} & set(pytest_arguments) else ["-n", "auto"]
    pytest = [sys.executable, "-m", "pytest", *workers, *selection, *pytest_arguments]
    return subprocess.run(pytest, cwd=_ROOT, check=False).returncode
