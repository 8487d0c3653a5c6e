"""The first line of a result: what it says must agree with its first word."""

from __future__ import annotations

from typing import Any

import pytest

from harness.cli.telling import tell


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        ({"valid": True, "seeds": 100}, "VALID  set on sim: 100 seeds in 2.5 s, all valid"),
        (
            {"valid": "unknown", "seeds": 100},
            "UNKNOWN  set on sim: 100 seeds in 2.5 s, each valid by itself",
        ),
        (
            {"valid": False, "seeds": 1, "seeds_not_valid": [4], "seed": 4},
            "INVALID  set on sim: 1 seed in 2.5 s, 1 not valid; shown: seed 4",
        ),
        (
            {"valid": True, "seeds": 3, "interrupted": True},
            "VALID  set on sim: 3 seeds in 2.5 s, all valid; interrupted",
        ),
    ],
)
def test_many_seeds_in_one_line(
    summary: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seeds that are valid one by one and together prove nothing are not called all valid."""
    usual = {"workload": "set", "world": "sim", "seed": 0, "seeds_not_valid": [], "wall_s": 2.5}
    usual["interrupted"] = False
    rest = {"facts": {}, "evidence": [], "report": "report.html", "command": "./reprise"}
    tell({**usual, **rest, **summary})

    assert capsys.readouterr().out.splitlines()[0] == line
