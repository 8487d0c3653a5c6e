"""Runs that are not a function of their seed are found, and where they part is named. The chance that is planted stands here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cluster.worlds.sim.network import Network
from harness.campaign.attempt import Attempt, finish
from harness.campaign.self_check import (
    NotDeterministic,
    check_itself,
    first_difference,
    is_checked,
    watched,
)
from harness.cli.exits import Exit
from harness.cli.guard import guarded
from harness.scenario import Scenario

ATTEMPT = Attempt(0, Scenario(workload="set", nodes=3, time_limit_s=0.6, seed=4))


@pytest.fixture
def chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 150 messages of a process, links draw once more for each: what came before decides how a run goes."""
    sent = count()
    plain: Callable[..., Iterable[int]] = Network.arrivals

    def draws_more(self: Any, source: str, target: str, leaves_ns: int) -> Iterable[int]:
        if next(sent) > 150:
            self.extra = self._tape.stream(f"network.delay/{source}>{target}").below(2)
        return plain(self, source, target, leaves_ns)

    monkeypatch.setattr(Network, "arrivals", draws_more)


def test_equal_runs_pass() -> None:
    """A watched run is the plain one, and two of them are the same step by step."""
    plain = finish(ATTEMPT)
    run, steps = watched(ATTEMPT)

    check_itself(ATTEMPT, plain)
    assert run.results["fingerprint"] == plain.results["fingerprint"]
    assert len(steps) > len(plain.trace)
    assert first_difference(ATTEMPT, plain) is None


@pytest.mark.usefixtures("chance")
def test_the_first_step_that_differs_is_named_with_its_place_in_the_code() -> None:
    """The planted draw stands in this file, and the message says so."""
    plain = finish(ATTEMPT)

    with pytest.raises(NotDeterministic) as caught:
        check_itself(ATTEMPT, plain)

    assert "seed 4 ran twice and gave" in str(caught.value)
    assert f"tests/unit/harness/{Path(__file__).name}" in str(caught.value)
    assert "in draws_more" in str(caught.value)


@pytest.mark.slow
@pytest.mark.usefixtures("chance")
def test_a_search_that_meets_chance_ends_with_255(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, no traceback, and no verdict."""
    arguments = [
        "search",
        "set",
        "--nodes",
        "3",
        "--time-limit",
        "0.6",
        "--seeds",
        "5",
        "--jobs",
        "1",
        "--quiet",
    ]

    assert guarded([*arguments, "--store", str(tmp_path)]) == Exit.INTERNAL

    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.strip().splitlines()
    assert "they part at step" in line


def test_the_share_of_runs_that_are_checked() -> None:
    """The first always, then evenly; none when it is zero."""
    for share, wanted in ((0.01, 10), (0.1, 100), (1.0, 1000), (0.0, 0)):
        checked = is_checked(share)
        assert sum(checked(number) for number in range(1000)) == wanted
        assert checked(0) is (share > 0)
