"""Faults that a scenario file orders: whom they mean, what they do, and what is refused before anything starts."""

import re
from itertools import permutations

import pytest

from cluster.trace import Fault, HitPoint, Started, Stopped
from harness.campaign.simulate import simulate
from harness.errors import UserMistake
from harness.operation import NEMESIS
from harness.scenario import After, At, FaultEntry, Scenario
from nemesis.arguments import ARGUMENTS, check_fault
from nemesis.catalogue import EVERY, NEMESES, OPERATIONS
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


def test_every_operation_states_its_arguments():
    """Whoever adds an operation says what a scenario file may tell it."""
    assert ARGUMENTS.keys() == OPERATIONS.keys()


STORY = {"target": "one", "order": ["n1", "n2", "n3"]}


@pytest.mark.parametrize(
    ("f", "targets", "value", "told"),
    [
        ("kill", ["n9"], {}, "kill: target 'n9' is unknown; allowed: n1, n2, n3, one"),
        ("kill", ["led"], {}, "did you mean 'leader'"),
        ("kill", [], {}, "kill needs targets"),
        ("kill", ["n1"], {"duration": 3}, "argument 'duration' is unknown; did you mean 'duration_ns'"),
        ("kill", ["n1"], {"duration_ns": "x"}, "Expected `int`"),
        ("kill", ["n1"], {"duration_ns": -1}, ">= 0"),
        ("kill", [], {"target": "one", "order": ["n1", "n1", "n2"]}, "every node once: n1, n2, n3"),
        ("start", ["n4"], {}, "target 'n4'"),
        ("partition", [], {}, "partition needs targets"),
        ("arm", [], {"point": "eng.halt"}, "arm needs targets"),
        ("arm", ["n1"], {"point": "eng.halt", "nth": 0}, "counted from 1"),
        ("arm", ["n1"], {"point": "eng.halt", "targets": ["n2"]}, "argument 'targets' is unknown"),
        ("arm", ["n1"], {"point": "eng.halt", "role": "king"}, "there are follower"),
        ("await-exit", ["n1"], {}, "await-exit takes no targets"),
        ("await-exit", [], {"timeout": 4}, "did you mean 'timeout_s'"),
        ("await-exit", [], {"timeout_s": -4}, ">= 0"),
        ("heal", ["n1"], {}, "heal takes no targets"),
        ("start-partition", [], {"grudge": "x", "around_leader": False, "order": STORY["order"]}, "isolate-one"),
        ("crash-point", [], {**STORY, "point": "reg.x", "action": "kill", "nth": 1, "opcode": -1, "again": False}, "reg.x"),
        ("disk-fault", [], {**STORY, "kind": "eio"}, "path"),
    ],
)  # fmt: skip
def test_a_fault_that_could_not_happen_is_refused(f, targets, value, told):
    """Nothing starts when a fault names a node, a word or an argument that does not exist; the line says which fault."""
    fine = fault("kill", "n1")
    with pytest.raises(UserMistake, match=re.escape(told)) as mistake:
        finished(fine, FaultEntry(f=f, targets=targets, value=value, when=At(time_s=1.0)))
    assert str(mistake.value).startswith("faults[1]: ")


def test_drawn_faults_may_be_written_down_again():
    """What random schedules draw is what `ARGUMENTS` allows: every fault of a random run is an exact one of another."""
    for name in sorted(NEMESES):
        scenario = Scenario(workload="registry", seed=2, nodes=3, time_limit_s=4.0, nemesis=[name])
        done = simulate(scenario)
        nodes = done.results["nodes"]
        operations = [op for op in done.history if op.process == NEMESIS]
        drawn = [op for op in operations[::2] if op.value]
        assert drawn, name
        for op in drawn:
            value = {**op.value}
            targets = value.pop("targets", [])
            check_fault(
                FaultEntry(f=op.f, targets=targets, value=value, when=At(time_s=1.0)), nodes
            )


def test_a_fault_after_the_end_is_refused():
    """A moment that the run does not reach is seen before it starts."""
    with pytest.raises(UserMistake, match=r"at 4 s the run is over \(time_limit_s is 4\)"):
        finished(fault("kill", "n1", after_s=4.0))


def test_random_faults_beside_exact_ones_are_refused():
    """Nothing in a scenario is ignored: the nemesis that would not take part is named."""
    scenario = Scenario(workload="registry", nemesis=["kill"], faults=[fault("kill", "n1")])
    with pytest.raises(UserMistake, match="random faults cannot stand beside exact ones"):
        simulate(scenario)


def test_a_fault_whose_moment_never_came_earns_no_pass():
    """A run that ended before one of its faults is unknown, and says what that fault waited for."""
    done = finished(
        fault("kill", "n1"),
        fault("start", "n1", after_s=1.5),
        FaultEntry(f="kill", targets=["n1"], when=After(f="register", nth=99)),
    )
    assert done.results["valid"] == "unknown"
    assert done.results["facts"]["exact_faults"] == 2
    (evidence,) = done.results["checkers"]["exact-faults"]["evidence"]
    assert evidence["what"] == (
        "the run ended before the fault 'kill', which waited for register (ok) number 99"
    )
