"""From verdicts to the verdict: the worst wins, and a pass must be earned."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checkers.checker import Run, Valid, Verdict
from harness.verdict import FactCollision, judge, results

RUN = Run(nodes=("n1",), history=[], trace=[], options={}, final_state={})
NO_ERRORS = {"harness_errors": 0}


class Says:
    """A checker that says what it is told to."""

    def __init__(self, name: str, valid: Valid, facts: dict[str, Any] | None = None) -> None:
        self.name = name
        self.verdict = Verdict(
            valid=valid, facts=facts or {}, evidence=[] if valid is True else [{"what": name}]
        )

    def check(self, run: Run) -> Verdict:
        return self.verdict


class Raises(Says):
    """A checker with a defect."""

    def check(self, run: Run) -> Verdict:
        raise IndexError("empty")


@pytest.mark.parametrize(
    ("valids", "merged"),
    [
        ([True], True),
        ([True, True], True),
        ([True, "unknown"], "unknown"),
        (["unknown", False], False),
        ([True, False], False),
        ([], "unknown"),
    ],
)
def test_the_worst_verdict_wins(valids: list[Valid], merged: Valid) -> None:
    """False before unknown before true; no checker at all is no pass."""
    checkers = [Says(f"c{n}", valid) for n, valid in enumerate(valids)]

    assert judge(checkers, RUN, stimuli={}, harness_facts=NO_ERRORS).valid == merged


def test_a_checker_that_raises_is_no_pass() -> None:
    """Its verdict is unknown, the others are still heard."""
    judged = judge(
        [Raises("a", True), Says("b", True, {"x": 1})], RUN, stimuli={}, harness_facts=NO_ERRORS
    )

    assert judged.valid == "unknown"
    assert "IndexError: empty" in judged.verdicts["a"].evidence[0]["what"]
    assert judged.facts["x"] == 1


def test_stimuli_that_happened_leave_a_pass_a_pass() -> None:
    """As often as needed is enough; tables count as their sum, and their entries by path."""
    facts = {"replays": 2, "crash_points_hit": {"apply.after_set": 1, "wal.before_fsync": 2}}
    stimuli = {"replays": 2, "crash_points_hit": 3, "crash_points_hit/apply.after_set": 1}

    judged = judge([Says("a", True, facts)], RUN, stimuli=stimuli, harness_facts=NO_ERRORS)

    assert judged.valid is True
    assert [(one.fact, one.needed, one.seen, one.met) for one in judged.stimuli] == [
        ("crash_points_hit", 3, 3, True),
        ("crash_points_hit/apply.after_set", 1, 1, True),
        ("replays", 2, 2, True),
    ]


@pytest.mark.parametrize("stimulus", ["replays", "never_reported", "crash_points_hit/snapshot.x"])
def test_a_missing_stimulus_makes_a_pass_unknown(stimulus: str) -> None:
    """The evidence says which one, how often it was needed and how often it was seen."""
    facts = {"replays": 1, "crash_points_hit": {"apply.after_set": 5}}

    judged = judge([Says("a", True, facts)], RUN, stimuli={stimulus: 2}, harness_facts=NO_ERRORS)

    assert judged.valid == "unknown"
    (finding,) = judged.verdicts["stimuli"].evidence
    assert (finding["stimulus"], finding["needed"]) == (stimulus, 2)
    assert f"needed {stimulus} at least 2 times" in finding["what"]


def test_a_missing_stimulus_does_not_soften_invalid() -> None:
    """What is broken is broken, whatever else did not happen."""
    judged = judge([Says("a", False)], RUN, stimuli={"replays": 1}, harness_facts=NO_ERRORS)

    assert judged.valid is False


def test_a_defect_of_the_harness_makes_a_pass_unknown() -> None:
    """A run whose client raised proves nothing."""
    judged = judge(
        [Says("a", True)],
        RUN,
        stimuli={},
        harness_facts={"harness_errors": 3},
        harness_error="kill: the nemesis raised KeyError",
    )

    assert judged.valid == "unknown"
    what = judged.verdicts["harness"].evidence[0]["what"]
    assert what.endswith("failed, 3 in all; the first: kill: the nemesis raised KeyError")
    assert judged.facts["harness_errors"] == 3


def test_a_fact_has_one_owner() -> None:
    """Two checkers that report one name are a defect, named with the fact."""
    checkers = [Says("a", True, {"kills": 1}), Says("b", True, {"kills": 1})]

    with pytest.raises(FactCollision, match="'kills' is reported by 'a' and by 'b'"):
        judge(checkers, RUN, stimuli={}, harness_facts=NO_ERRORS)


@pytest.mark.parametrize("second", ["a", "harness", "stimuli"])
def test_a_checkers_name_is_its_own(second: str) -> None:
    """Neither another checker's nor one of the harness' own."""
    with pytest.raises(FactCollision, match=f"two checkers are called '{second}'"):
        judge([Says("a", True), Says(second, True)], RUN, stimuli={}, harness_facts=NO_ERRORS)


def test_results_hold_everything() -> None:
    """What the run was, the verdicts by checker, the facts, the stimuli and all evidence in one list."""
    judged = judge(
        [Says("a", True, {"kills": 1}), Says("b", False)],
        RUN,
        stimuli={"kills": 1},
        harness_facts=NO_ERRORS,
    )

    made = results(judged, workload="register", world="sim", seed=7, fingerprint="ab")

    assert made == {
        "valid": False,
        "workload": "register",
        "world": "sim",
        "seed": 7,
        "fingerprint": "ab",
        "facts": {"harness_errors": 0, "kills": 1},
        "stimuli": [{"fact": "kills", "needed": 1, "seen": 1, "met": True}],
        "checkers": {
            "harness": {"valid": True, "facts": {"harness_errors": 0}, "evidence": []},
            "a": {"valid": True, "facts": {"kills": 1}, "evidence": []},
            "b": {"valid": False, "facts": {}, "evidence": [{"what": "b"}]},
            "stimuli": {"valid": True, "facts": {}, "evidence": []},
        },
        "evidence": [{"checker": "b", "what": "b"}],
    }
