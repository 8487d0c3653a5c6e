"""Shrinking, with nothing run: what a cause is, how courses get smaller, and what is remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cluster.worlds.tape import Tape
from harness.campaign.plan import make_plan
from harness.campaign.shrink_answers import Answers
from harness.campaign.shrink_cause import Cause, causes_of, main_cause, shows
from harness.campaign.shrink_course import Course, course_of, scenario_of
from harness.campaign.shrink_minimise import Ask, minimise
from harness.campaign.shrink_passes import fewer_nodes, plainer_faults
from harness.campaign.simulate import simulate
from harness.operation import Operation
from harness.scenario import At, FaultEntry, Scenario
from workloads.exact import ExactStep

EASY = {"loss_percent": 0, "delay_min_ms": 1, "delay_max_ms": 1}


def step(number: int, **fields: Any) -> ExactStep:
    return ExactStep(
        **{
            "f": "write",
            "at_s": 0.05 + number / 10,
            "client": number % 3,
            "value": [["w", number], ["r", number]],
            **fields,
        }
    )


def fault(number: int, **value: Any) -> FaultEntry:
    return FaultEntry(
        f="kill",
        when=At(time_s=number / 5 + 0.123456789),
        value={"order": ["n2", "n1", "n3"], **value},
    )


def course(steps: int, faults: int, **fields: Any) -> Course:
    scenario = Scenario(
        workload="wr", seed=7, nodes=3, concurrency=3, options={**EASY, "loss_percent": 5}, **fields
    )
    return Course(
        scenario=scenario,
        steps=tuple([step(number) for number in range(steps)]),
        faults=tuple([fault(number, duration_ns=3_000_000_000) for number in range(faults)]),
    )  # fmt: skip


def asking(fails: Callable[[Course], bool], tried: list[Course]) -> Ask:
    def ask(candidates: Iterable[Course]) -> Course | None:
        for one in candidates:
            tried.append(one)
            if fails(one):
                return one
        return None

    return ask


def values(one: Course) -> set[int]:
    return {part[1] for step in one.steps for part in step.value}


def test_what_is_needed_is_all_that_is_left() -> None:
    """Of forty operations and ten faults the two and the one that a failure needs, on one node, at round moments."""
    tried: list[Course] = []
    begun = course(40, 10)

    def fails(one: Course) -> bool:
        return {11, 29} <= values(one) and any(f.value.get("duration_ns") for f in one.faults)

    small = minimise(begun, asking(fails, tried), lambda _: None)

    assert small.size == (1, 2, 1)
    assert [len(step.value) for step in small.steps] == [1, 1]
    assert small.scenario.concurrency == 1
    assert small.scenario.options["loss_percent"] == 0
    assert small.scenario.seed == 0
    assert small.faults[0].value == {"order": ["n1"], "duration_ns": 100_000_000}
    assert all(round(step.at_s, 1) == step.at_s for step in small.steps)
    assert len(tried) < 400


def test_nothing_is_kept_that_did_not_fail() -> None:
    """A failure that needs everything stays as it is."""
    begun = course(5, 2)

    assert minimise(begun, asking(lambda one: one == begun, []), lambda _: None) == begun


def test_what_is_lost_by_luck_is_found_under_another_seed() -> None:
    """Leaving something out shifts every later draw; a few other seeds are tried before it is kept."""

    def fails(one: Course) -> bool:
        return one.size[1] == 6 or (bool(one.steps) and one.scenario.seed == 3)

    small = minimise(course(6, 0), asking(fails, []), lambda _: None)

    assert (small.size[1], small.scenario.seed) == (1, 3)


def test_the_same_answers_make_the_same_course() -> None:
    """So what was answered before need not be asked again."""

    def fails(one: Course) -> bool:
        return len(one.steps) * 7 % 5 != 3 and 4 in values(one)

    first: list[Course] = []
    second: list[Course] = []

    assert minimise(course(20, 4), asking(fails, first), lambda _: None) == minimise(
        course(20, 4), asking(fails, second), lambda _: None
    )
    assert first == second


def test_a_node_that_is_gone_is_named_nowhere() -> None:
    """Faults that meant it alone go with it, orders are without it."""
    begun = course(1, 1)
    aimed = FaultEntry(f="pause", when=At(time_s=1.0), targets=["n3"])
    both = FaultEntry(f="pause", when=At(time_s=1.0), targets=["n1", "n3", "leader"])
    begun = msgspec.structs.replace(begun, faults=(*begun.faults, aimed, both))
    one, two = fewer_nodes(begun)

    assert [one.scenario.nodes, two.scenario.nodes] == [1, 2]
    assert [entry.targets for entry in two.faults] == [[], ["n1", "leader"]]
    assert two.faults[0].value["order"] == ["n2", "n1"]


def test_a_fault_only_ever_says_less() -> None:
    """A short fault is not made longer, one that strikes once not again."""
    begun = msgspec.structs.replace(
        course(0, 0), faults=(fault(0, duration_ns=400_000_000, again=False, nth=1),)
    )

    assert [one.faults[0].value["duration_ns"] for one in plainer_faults(begun)] == [100_000_000]


def results(**checkers: Any) -> dict[str, Any]:
    return {
        "valid": False,
        "checkers": {
            name: {"valid": valid, "evidence": evidence}
            for name, (valid, evidence) in checkers.items()
        },
    }


def test_the_cause_is_the_earliest_finding_of_what_is_invalid() -> None:
    """Checker, anomaly and code point; what only says that too little happened is none."""
    found = results(
        stats=("unknown", [{"invariant": "L9", "time_ns": 1}]),
        model=(False, [{"invariant": "stimulus", "time_ns": 0}, {"invariant": "I2", "time_ns": 9, "crash_point": "kill"}]),
        linear=(False, [{"invariant": "I32", "operations": [{"f": "w", "time_ns": 3}, {"f": "r", "time_ns": 5}]}]),
    )  # fmt: skip

    assert causes_of(found) == [Cause("linear", "I32"), Cause("model", "I2", "kill")]
    assert main_cause(results(stats=(True, []))) is None


def test_what_was_never_asked_for_is_not_lost() -> None:
    """An element is missing only when a dequeue behind every enqueue found nothing; without that a smaller run proves nothing."""
    found = results(**{"total-queue": (False, [{"invariant": "lost"}])})
    cause = Cause("total-queue", "lost")
    put = Operation(process=0, f="enqueue", value=1)
    ask = Operation(process=1, f="dequeue")
    done, empty = put.completed("ok"), ask.completed("ok")

    assert shows(cause, found, [put, done, ask, empty])
    assert not shows(cause, found, [put, done])
    assert not shows(cause, found, [put, ask, done, empty])
    assert not shows(cause, results(), [put, done, ask, empty])


def test_answers_outlive_whoever_asked(tmp_path: Path) -> None:
    """A line that was torn is dropped; answers about something else are none."""
    path = tmp_path / "answers.txt"
    small, big, unseen = (Scenario(workload="set", nodes=nodes) for nodes in (1, 9, 2))
    with closing(Answers(path, "cause and code")) as first:
        first.note(small, alike=True)
        first.note(big, alike=False)
    with path.open("a") as file:
        file.write("0123 torn")

    with closing(Answers(path, "cause and code")) as again:
        assert [again.of(one) for one in (small, big, unseen)] == [True, False, None]
    with closing(Answers(path, "other code")) as other:
        assert other.of(small) is None


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["append", "registry", "lock", "session"])
def test_a_run_written_down_exactly_is_the_same_run(workload: str) -> None:
    """Every operation of its clients comes at the same nanosecond to the same end, until what ends a run begins."""
    scenario = Scenario(workload=workload, seed=3, time_limit_s=1.5)
    run = simulate(scenario)
    exact = scenario_of(course_of(make_plan(scenario, Tape(3)), run.history))
    again = simulate(exact).history
    load = [one for one in run.history if one.process >= 0 and one.time_ns < 1_500_000_000]

    assert len(load) > 20
    assert [
        (one.time_ns, one.process, one.type, one.f, one.value) for one in again if one.process >= 0
    ][: len(load)] == [(one.time_ns, one.process, one.type, one.f, one.value) for one in load]


def test_a_mix_of_random_faults_is_written_down_as_a_scenario_that_can_run() -> None:
    """What the plan tells of their paces is no option of the exact scenario."""
    scenario = Scenario(workload="set", nemesis=["kill", "pause", "clock"], time_limit_s=1.0)
    plan = make_plan(scenario, Tape(0))
    assert "nemesis_interval_s" in plan.drawn

    exact = scenario_of(course_of(plan, ()))

    assert "nemesis_interval_s" not in make_plan(exact, Tape(0)).drawn
