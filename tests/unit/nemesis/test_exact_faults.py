"""Faults that a scenario file orders: whom they mean, what they do, and what is refused before anything starts."""

from itertools import permutations

import pytest

from cluster.trace import Fault, HitPoint, Started, Stopped
from harness.campaign.simulate import simulate
from harness.errors import UserMistake
from harness.scenario import After, At, FaultEntry, Scenario
from nemesis.catalogue import EVERY, OPERATIONS
from nemesis.exact import crash_order

STEPS = [
    {"f": "register", "value": {"dek_id": 1, "writer": "n1", "epoch": 1}},
    {"f": "register", "value": {"dek_id": 1, "writer": "n1", "epoch": 2}, "delay_s": 1.0},
]


def finished(*faults, nodes=3):
    options = {"poison": "none", "operations": STEPS, "loss_percent": 0, "durability": "data"}
    scenario = Scenario(
        workload="registry",
        seed=1,
        nodes=nodes,
        time_limit_s=4.0,
        options=options,
        faults=[*faults],
    )
    done = simulate(scenario)
    assert done.results["facts"]["harness_errors"] == 0
    return done


def fault(f, *targets, after_s=1.0, **value):
    return FaultEntry(f=f, targets=[*targets], value=value, when=At(time_s=after_s))


def completions(done, f):
    return [op for op in done.history if op.f == f and op.value and op.value.keys() - {"targets"}]


def stopped(done):
    return [(e.node, e.cause) for e in done.trace if type(e) is Stopped and e.cause != "stop"]


def test_every_operation_has_one_nemesis_and_stated_needs():
    """What a scenario file may ask for is exactly what the nemeses understand."""
    understood = [f for make in EVERY for f in make().fs]
    assert sorted(understood) == sorted(OPERATIONS)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"point": "eng.halt", "acton": "kill"}, "acton"),
        ({"point": "eng.hal"}, "eng.halt"),
        ({"point": "eng.halt", "action": "error"}, "kill, power or stall"),
        ({"point": "eng.halt", "nth": "first"}, "int"),
        ({}, "point"),
    ],
)
def test_wrong_crash_orders_are_refused(value, told):
    """An order that makes no sense is its author's mistake, and the message says what is allowed."""
    with pytest.raises(UserMistake, match=told):
        crash_order(value)


def test_a_wrong_order_is_refused_before_the_run():
    """A scenario with such an order is never started."""
    with pytest.raises(UserMistake, match=r"eng\.halt"):
        finished(fault("arm", "n1", point="eng.hal"))


def test_a_killed_node_stays_down_until_it_is_started():
    """Without a duration a kill is one act; the start is another."""
    done = finished(fault("kill", "n2"), fault("start", "n2", after_s=2.5))
    assert stopped(done) == [("n2", "kill")]
    (back,) = [e.at_ns for e in done.trace if type(e) is Started and e.incarnation == 2]
    assert back > 2_500_000_000


def test_power_loss_strikes_every_target_once():
    """Names and words may stand side by side; a node that two of them mean is struck once."""
    done = finished(fault("power-loss", "n1", "all"), fault("start", after_s=1.1))
    assert stopped(done) == [("n1", "power"), ("n2", "power"), ("n3", "power")]


def test_faults_of_one_moment_happen_in_the_order_of_the_file():
    """Arm, wait, look, start: each begins when the one before has completed."""
    when = After(f="register", delay_s=0.2)
    entries = [
        ("arm", ["leader"], {"point": "eng.after_resolve", "opcode": 3, "action": "power"}),
        ("await-exit", [], {}),
        ("dump", [], {}),
        ("start", ["down"], {}),
    ]
    done = finished(*[FaultEntry(f=f, targets=to, value=v, when=when) for f, to, v in entries])
    (armed,) = completions(done, "arm")[-1:]
    (struck,) = armed.value["nodes"]
    (hit,) = [event for event in done.trace if type(event) is HitPoint]
    assert (hit.node, hit.role) == (struck, "leader")
    assert completions(done, "await-exit")[-1].value["exits"] == {struck: -9}
    assert list(completions(done, "dump")[-1].value["disks"]) == [struck]
    assert next(op.value["nodes"] for op in completions(done, "start")) == [struck]


def test_what_was_armed_and_never_struck_is_forgotten():
    """The wait ends by itself; the end of the run disarms before it starts anything."""
    done = finished(
        fault("arm", "n1", point="snap.trigger"), fault("await-exit", after_s=1.1, timeout_s=0.5)
    )
    assert completions(done, "await-exit")[-1].value["exits"] == {"n1": None}
    assert stopped(done) == []
    assert "disarm" in [op.f for op in done.history]


def test_a_partition_cuts_the_targets_off_and_heals():
    """Every link between targets and others is cut in both directions, no other, until the heal."""
    done = finished(fault("partition", "n1", "n2"), fault("heal", after_s=1.2), nodes=5)
    (cut,) = [
        event.target for event in done.trace if type(event) is Fault and event.action == "cut"
    ]
    apart = {"n1", "n2"}
    across = {
        pair
        for pair in permutations(("n1", "n2", "n3", "n4", "n5"), 2)
        if len(apart & {*pair}) == 1
    }
    assert {tuple(link.split(">")) for link in cut.split()} == across
    assert done.results["valid"] is True
