"""A night as data, and its folder: where it goes on, what its entries came to."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.campaign.night import (
    ATTEMPTS_MAX,
    Began,
    Begun,
    Done,
    Ended,
    Line,
    Outcome,
    RunLine,
    Stopped,
    fold,
    given_up,
    grade,
    took_s,
)
from harness.campaign.night_folder import GOES_ON_FOR_S, open_night, remembering
from harness.campaign.night_plan import Expected, Step
from harness.campaign.search import Brief
from harness.checkers.checker import Valid
from harness.errors import UserMistake


def run(valid: Valid) -> RunLine:
    """A run that came to this verdict."""
    return RunLine(
        world="sim", workload="set", seed=1, seeds=1, valid=valid, wall_s=1.0, words="", report="r", command="c"
    )  # fmt: skip


def step(expect: Expected) -> Step:
    """An entry that is to come to this verdict."""
    return Step(
        name="one", kind="run", budget_s=1.0, expect=expect, keep_going=False, fresh=False, scenarios=()
    )  # fmt: skip


@pytest.mark.parametrize(
    ("expect", "state", "valids", "wanted"),
    [
        ("valid", "done", [True, True], "passed"),
        ("valid", "done", [True, False], "failed"),
        ("valid", "done", [True, "unknown"], "unknown"),
        ("valid", "done", [], "unknown"),
        ("invalid", "done", [False], "passed"),
        ("invalid", "done", [False, True], "failed"),
        ("valid", "late", [True], "unknown"),
        ("valid", "late", [False], "failed"),
        ("valid", "failed", [True], "error"),
        ("invalid", "given-up", [], "error"),
    ],
)
def test_the_grade_of_an_entry(
    expect: Expected, state: str, valids: list[Valid], wanted: str
) -> None:
    """Every run must come to the expected verdict, and an entry that was not done never passes."""
    outcome = Outcome(state=state, wall_s=1.0, runs=tuple(map(run, valids)))  # type: ignore[arg-type]

    assert grade(step(expect), outcome) == wanted


def test_a_search_took_what_it_took_before_a_kill_too() -> None:
    """The last process of a search that went on knows a part of the time; runs are done anew, and count their own."""
    runs = (msgspec.structs.replace(run(True), wall_s=120.0),)
    search = msgspec.structs.replace(step("valid"), kind="search")

    assert took_s(search, 57.0, runs) == 120.0
    assert took_s(search, 122.0, runs) == 122.0
    assert took_s(step("valid"), 57.0, runs) == 57.0


def test_a_journal_says_where_a_night_stopped() -> None:
    """Entries that are done stay done; being ended by a person counts against no entry."""
    done = Outcome(state="done", wall_s=1.0)
    lines: list[Line] = [
        Began(5),
        Begun(0),
        Done(0, done),
        Begun(1),
        Begun(1),
        Stopped(1),
        Begun(1),
    ]
    progress = fold(lines)

    assert (progress.began_s, progress.outcomes, progress.ended) == (5, {0: done}, False)
    assert progress.attempts == {0: 1, 1: 2}
    assert fold([*lines, Ended()]).ended


def test_an_entry_that_ends_the_night_again_and_again_is_given_up() -> None:
    """Killed twice in the middle is fine; the third time there is no fourth."""
    assert given_up(2) is None
    outcome = given_up(ATTEMPTS_MAX)

    assert outcome is not None
    assert outcome.state == "given-up"


def test_a_night_goes_on_only_as_the_same_night(tmp_path: Path) -> None:
    """The newest night of the plan goes on, unless it ended, is of another plan, or of long ago."""
    first = open_night(tmp_path, "night", "plan", 100, "20260101T000000Z")

    assert open_night(tmp_path, "night", "plan", 200, "20260101T000100Z").path == first.path
    late = 100 + GOES_ON_FOR_S
    assert open_night(tmp_path, "night", "plan", late, "20260102T000000Z").path != first.path
    other = open_night(tmp_path, "night", "another", late, "20260102T000001Z")
    assert other.path.name == "20260102T000001Z"
    with other.writing() as journal:
        journal.write(Ended())
    again = open_night(tmp_path, "night", "another", late, "20260102T000002Z")
    assert again.path.name == "20260102T000002Z"


def test_a_torn_line_is_cut_off_and_a_night_has_one_writer(tmp_path: Path) -> None:
    """A line that was being written when the night was killed is not there; two commands do not share a folder."""
    night = open_night(tmp_path, "night", "plan", 100, "20260101T000000Z")
    with night.journal.open("ab") as file:
        file.write(b'{"type":"beg')
    with night.writing() as journal:
        journal.write(Begun(0))
        with pytest.raises(UserMistake, match="going on in another process"), night.writing():
            pass

    assert night.progress().attempts == {0: 1}


def test_a_search_remembers_its_seeds_over_processes(tmp_path: Path) -> None:
    """Each process adds to what those before were done with; a seed that was being written down is run again."""
    for seed in (7, 8):
        with remembering(tmp_path) as (briefs, spent_s, remember):
            assert [brief.seed for brief in briefs] == list(range(7, seed))
            assert spent_s == float(seed - 7)
            remember(Brief(seed, True, "f", {}, 0.1), float(seed - 6))
        with max(tmp_path.glob("seeds-*")).open("ab") as file:
            file.write(b'{"brief":[9')
