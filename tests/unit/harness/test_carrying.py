"""A run becomes an order of things: who waits for what, who leads, and what is left of its times."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.trace import Appended, RoleChanged
from cluster.worlds.tape import Tape
from harness.campaign.carry import carried, leader_in
from harness.campaign.plan import make_plan
from harness.campaign.shrink_course import healing_of
from harness.campaign.simulate import simulate
from harness.generator import PENDING, in_order, new_context, once
from harness.operation import NEMESIS, Operation
from harness.scenario import At, FaultEntry, InOrder, OnEvent, Scenario

_S = 1_000_000_000


class _NoChance:
    def below(self, bound: int) -> int:
        return 0

    def fraction(self) -> float:
        return 0.0


def _event(at_s: float, f: str, kind: str = "invoke", **fields: Any) -> Operation:
    return Operation(time_ns=round(at_s * _S), f=f, type=kind, **fields)


def _fault(at_s: float, f: str, **value: Any) -> Operation:
    return _event(at_s, f, "info", process=NEMESIS, value={"targets": [], **value})


def _numbered(*events: Operation) -> list[Operation]:
    return [Operation(**{**_fields(one), "index": place}) for place, one in enumerate(events)]


def _fields(operation: Operation) -> dict[str, Any]:
    return {name: getattr(operation, name) for name in operation.__struct_fields__}


def _led(at_s: float, node: str) -> RoleChanged:
    return RoleChanged(
        at_ns=round(at_s * _S),
        node=node,
        incarnation=1,
        role="leader",
        term=1,
        last_index=0,
        last_term=0,
    )


_ORDER = ["n1", "n2"]
_STRIKE = {
    "point": "eng.after_resolve", "action": "kill", "nth": 1, "opcode": 0,
    "target": "leader", "again": False, "order": _ORDER,
}  # fmt: skip
_PLAN = make_plan(
    Scenario(workload="set", nodes=2, concurrency=2, options={"durability": "data"}), Tape(0)
)


def test_the_healing_begins_with_the_resume_that_nobody_asked_for():
    """An exact `resume` has targets, if only none; completions name nodes and begin nothing."""
    history = [
        _fault(1.0, "resume"),
        _event(1.0, "resume", "info", process=NEMESIS, value={"nodes": ["n1"]}),
        _event(2.0, "resume", "info", process=NEMESIS),
        _event(2.0, "resume", "info", process=NEMESIS, value={"nodes": ["n1"]}),
        _event(2.5, "read"),
    ]

    assert healing_of(history) == 2
    assert healing_of(history[:2]) == 2


def test_a_place_in_the_order_is_reached_by_counting():
    """The generator waits for completions and for faults that are done; what only tells of a moment counts for nothing."""
    free = new_context(1, _NoChance())
    busy = free.busy(0, NEMESIS)
    waiting = in_order((0, 1, 0, 1), once({"f": "read"}), delay_ns=5)
    told = waiting.update(free, _event(0.0, "moment/0", "info", process=NEMESIS))
    begun = told.update(busy, _fault(0.1, "kill"))
    done = begun.update(free, _fault(0.2, "kill"))

    assert done.operation(free.at(_S)) is PENDING
    ready = done.update(free, _event(0.3, "add", "ok"))
    operation, _ = ready.operation(free.at(0))
    assert operation.time_ns == round(0.3 * _S) + 5


def test_operations_wait_for_what_was_over_before_them():
    """The second operation waits for the first one's end, the third, which was beside it, only for its beginning."""
    history = _numbered(
        _event(1.0, "add", value=1),
        _event(1.1, "add", "ok", value=1),
        _event(1.4, "add", value=2, process=1),
        _event(1.45, "add", value=3),
        _event(1.5, "add", "ok", value=3),
        _event(1.6, "add", "ok", value=2, process=1),
    )

    scenario = carried(_PLAN, history, [_led(0.5, "n2")], "local")

    places = [step["when"] for step in scenario.options["exact_operations"]]
    counts = [(one.get("invoked", 0), one.get("completed", 0), one["done"]) for one in places]
    assert counts == [(0, 0, 1), (1, 1, 1), (2, 1, 1)]
    assert scenario.faults == [
        FaultEntry(f="transfer", targets=["n2"], when=OnEvent(event="role", role="leader"))
    ]
    assert (places[1].get("delay_s", 0), places[2].get("delay_s", 0)) == (pytest.approx(1.0), 0)


def test_an_operation_that_showed_only_after_a_fault_began_stands_behind_it():
    """Asked before there was a leader and written once the crash point was armed, it waits for the arming elsewhere."""
    history = _numbered(
        _event(0.05, "add", value=1),
        _fault(0.1, "crash-point", **_STRIKE),
        _event(0.5, "add", "info", value=1),
        _fault(0.6, "crash-point", **_STRIKE),
    )
    written = Appended(
        at_ns=round(0.4 * _S), node="n1", incarnation=1, entries=((2, 1, b"x"),), durable=True
    )

    scenario = carried(_PLAN, history, [_led(0.3, "n1"), written], "docker")

    [step] = scenario.options["exact_operations"]
    assert step["when"]["begun"] == 2
    assert step["when"]["done"] == 1
    assert step["when"]["delay_s"] >= 0.2
    assert scenario.faults[1].when == InOrder(begun=1, done=1)


def test_who_leads_is_the_last_leader_before_anything_showed():
    """Somebody who led before is not meant, nor who came later."""
    history = _numbered(_event(0.1, "add"), _event(1.0, "add", "ok"))
    trace = [_led(0.3, "n1"), _led(0.6, "n2"), _led(2.0, "n1")]

    assert leader_in(trace, history) == "n2"
    assert leader_in([], history) == ""


@pytest.mark.slow
def test_a_carried_run_fails_alike_in_simulation():
    """The order of things alone shows a write that becomes durable before its session, as the times did."""
    scenario = Scenario(
        workload="append", nodes=2, concurrency=1, bug="R-B2", nemesis=["none"], time_limit_s=2.0,
        options={
            "durability": "data", "snapshot_threshold": 64, "loss_percent": 0,
            "exact_operations": [{"f": "txn", "at_s": 0.1, "value": [["append", 3, 34]]}],
        },
        faults=[
            FaultEntry(
                f="crash-point", when=At(time_s=0.1),
                value={**_STRIKE, "point": "eng.after_apply_before_set_applied", "target": "follower"},
            )
        ],
    )  # fmt: skip
    finished = simulate(scenario)
    plan = make_plan(scenario, Tape(scenario.seed, finished.draws))

    again = simulate(carried(plan, finished.history, finished.trace, "sim"))

    assert finished.results["valid"] is False
    assert again.results["checkers"]["agreement"]["valid"] is False
