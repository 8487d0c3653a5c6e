"""The same scenario in several worlds: one table, and what one world saw and another did not."""

from __future__ import annotations

from typing import Any

import pytest

from harness.cli.comparing import compare, tell_comparison


def summary(world: str, valid: Any, **facts: Any) -> dict[str, Any]:
    """What a run came to."""
    return {
        "world": world,
        "valid": valid,
        "duration_ns": 2_500_000_000,
        "facts": facts,
        "report": f"/store/{world}/report.html",
    }


def test_worlds_that_agree(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each, tables summed, and one line that says so."""
    rows = compare(
        [
            summary("sim", True, kills=2, crash_points_hit={"a": 1, "b": 2}),
            summary("local", True, kills=1, crash_points_hit={"a": 1}),
        ]
    )
    tell_comparison(rows)
    lines = capsys.readouterr().out.splitlines()

    assert [row["facts"]["crash_points_hit"] for row in rows] == [3, 1]
    assert lines[0].split()[:4] == ["world", "verdict", "seconds", "crash"]
    assert lines[1].split()[:3] == ["sim", "valid", "2.5"]
    assert lines[-1] == "all 2 worlds say valid"


def test_worlds_that_do_not_agree(capsys: pytest.CaptureFixture[str]) -> None:
    """A fact that another world has seen is named; a run that could not be carried out is no verdict."""
    failed = {"world": "docker", "valid": "unknown", "failed": "no daemon\nat all"}
    rows = compare([summary("sim", True, kills=2), summary("local", "unknown", kills=0), failed])
    tell_comparison(rows)
    told = capsys.readouterr().out

    assert [row["verdict"] for row in rows] == ["valid", "unknown", "failed"]
    assert "  local did not see: kills\n" in told
    assert "docker did not see" not in told
    assert told.splitlines()[3].endswith("no daemon")
    assert told.endswith("the worlds do not agree\n")
