"""A short night, killed in the middle again and again, comes to its end all the same."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.exits import Exit

pytestmark = [pytest.mark.real, pytest.mark.slow]

PATIENCE_S = 120.0
"""How long anything may take on a busy machine."""

PLAN = """
name = "short"

[[entries]]
name = "seeds"
search = "set"
budget = "6s"

[[entries]]
name = "processes"
run = "set"
worlds = ["sim", "local"]
budget = "90s"
scenario = { time_limit_s = 3.0, nodes = 3, nemesis = ["kill"] }

[[entries]]
name = "made to fail"
run = "{examples}/a1-equal-epoch-replay.toml"
budget = "60s"
scenario = { bug = "B-S1" }
"""
EXAMPLES = Path(__file__).parents[2] / "examples"


def night(folder: Path) -> subprocess.Popen[bytes]:
    """The command, always the same."""
    plan = folder / "plan.toml"
    plan.write_text(PLAN.replace("{examples}", str(EXAMPLES)), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.cli", "nightly", str(plan), "--store", "store", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Look again and again; a night is ended at what it has done, not at a time."""
    end_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end_s, f"never happened: {what}"
        select.select([], [], [], 0.02)


def test_a_night_killed_twice_and_interrupted_once_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Seeds and runs that were done are not done again; the index names the one entry that was made to fail."""
    steps = tmp_path / "store" / "nights" / "short"

    def seeds() -> int:
        return sum(path.read_bytes().count(b"\n") for path in steps.glob("*/steps/0/seeds-*"))

    for happened, what, asked in (
        (lambda: seeds() > 3, "a few seeds", signal.SIGKILL),
        (lambda: any(steps.glob("*/steps/1/run-0.json")), "a simulated run", signal.SIGKILL),
        (lambda: any((tmp_path / "store").glob("set/*/nodes/n3/trace.jsonl")), "nodes", signal.SIGTERM),
    ):  # fmt: skip
        with night(tmp_path) as killed:
            try:
                wait_until(happened, what)
            finally:
                killed.send_signal(asked)
            assert killed.wait(PATIENCE_S) == (
                -signal.SIGKILL if asked == signal.SIGKILL else Exit.INTERRUPTED
            )
    with night(tmp_path) as last:
        told, _ = last.communicate(timeout=PATIENCE_S)

    results = json.loads(told.splitlines()[-1])
    assert last.returncode == Exit.INVALID
    assert results["ended"]
    assert results["counts"] == {"failed": 1, "passed": 2}
    assert results["entries"][0]["name"] == "made to fail"
    [folder] = steps.iterdir()
    assert {path.name for path in folder.glob("steps/1/run-*")} == {"run-0.json", "run-1.json"}
    page = (folder / "index.html").read_text(encoding="utf-8")
    links = [part.partition('"')[0] for part in page.split('href="')[1:]]
    reports = [folder / link for link in links if link.endswith("report.html")]
    assert len(reports) == 4
    assert all(report.resolve().exists() for report in reports)
