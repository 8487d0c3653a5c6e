"""What cannot be carried is refused in one line, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.campaign.runs import run_seed
from harness.cli import main
from harness.cli.telling import tell_carried
from harness.scenario import Scenario
from harness.store import Store


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A short run in which nothing is invalid."""
    scenario = Scenario(workload="set", nodes=1, nemesis=["none"], time_limit_s=0.5)
    return str(run_seed(scenario, Store(tmp_path_factory.mktemp("store")), "begun")["run"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["replay", "RUN", "--world", "local"], "there is no failure to carry"),
        (["search", "--like", "RUN"], "there is no failure to carry"),
        (["search", "set", "--like", "RUN"], "--like takes everything from its run"),
        (["search", "--like", "RUN", "--nodes", "3"], "--like takes everything from its run"),
        (["search", "--like", "RUN", "--wide"], "no --steer, --wide or --keep-going beside it"),
    ],
)
def test_what_cannot_be_carried_is_refused(
    words: list[str], says: str, valid: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run without a failure, and a search that was told two things."""
    command = [valid if word == "RUN" else word for word in words]

    assert main([*command, "--store", str(tmp_path / "other")]) == 254
    assert says in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_what_came_instead_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Another failure is named, and does not count."""
    tell_carried(
        {
            "world": "docker",
            "cause": {"checker": "set", "anomaly": "I22", "code_point": ""},
            "causes_there": [{"checker": "raft", "anomaly": "I6", "code_point": "kill"}],
            "again": False,
            "valid": False,
            "likeness": 0.5,
            "report": "report.html",
            "command": "./reprise",
        }
    )

    assert capsys.readouterr().out.splitlines()[:3] == [
        "docker: set: I22: did not come again",
        "  the run is invalid: raft: I6, after kill",
        "  what happened is 50% alike",
    ]
