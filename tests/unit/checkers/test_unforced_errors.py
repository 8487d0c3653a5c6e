"""Ends that nobody inflicted: an error is excused by a disk that was broken on purpose, and by nothing else."""

import pytest
from checker_traces import TraceBuilder, invariants

from cluster.trace import Fault
from harness.checkers.unforced_errors import UnforcedErrors


def disk(builder, node, action):
    builder.emit(Fault, node, action=action, target=node)


def judge(builder):
    return UnforcedErrors().check(builder.run())


def test_one_error_out_of_the_blue_is_convicted():
    """A node that refuses a single start is a finding, however well the others do, and it names what struck before."""
    builder = TraceBuilder()
    builder.crash("n2", "reg.after_set", "power")
    builder.stop("n2", "error", 1)
    verdict = judge(builder)
    assert invariants(verdict) == ["L1"]
    assert verdict.evidence[0]["node"] == "n2"
    assert verdict.evidence[0]["crash_point"] == "reg.after_set"
    assert verdict.facts == {"errors_forced": 0, "errors_unforced": 1}


@pytest.mark.parametrize("fault", ["disk-eio", "disk-full"])
def test_a_broken_disk_excuses_the_life_that_met_it(fault):
    """The node may fail while its disk is broken and at any later time of that life, and so may lives begun meanwhile."""
    builder = TraceBuilder()
    disk(builder, "n2", fault)
    builder.stop("n2", "error", 1)
    builder.start("n2", have=1)
    disk(builder, "n2", "disk-heal")
    builder.stop("n2", "error", 1)
    verdict = judge(builder)
    assert verdict.valid is True
    assert verdict.facts == {"errors_forced": 2, "errors_unforced": 0}


def test_a_mended_disk_excuses_nothing():
    """A life that begins on a mended disk has no excuse left."""
    builder = TraceBuilder()
    disk(builder, "n2", "disk-eio")
    disk(builder, "n2", "disk-heal")
    builder.stop("n2", "power")
    builder.start("n2", have=1)
    builder.stop("n2", "error", 1)
    assert invariants(judge(builder)) == ["L1"]


@pytest.mark.parametrize("action", ["disk-slow", "disk-heal", "cut", "pause"])
def test_no_other_fault_is_an_excuse(action):
    """A slow disk, a cut, a pause: a correct node outlives them."""
    builder = TraceBuilder()
    disk(builder, "n2", action)
    builder.stop("n2", "error", 70)
    assert invariants(judge(builder)) == ["L1"]


def test_another_nodes_disk_is_no_excuse():
    """Each node answers for its own disk."""
    builder = TraceBuilder()
    disk(builder, "n1", "disk-eio")
    builder.stop("n2", "error", 1)
    assert invariants(judge(builder)) == ["L1"]


def test_deaths_that_were_inflicted_are_no_errors():
    """Kills, power losses, halts and stops are judged elsewhere."""
    builder = TraceBuilder()
    for cause, exit_code in (("kill", -9), ("power", -9), ("halt", 78), ("stop", 0)):
        builder.stop("n2", cause, exit_code)
    verdict = judge(builder)
    assert verdict.valid is True
    assert verdict.facts == {"errors_forced": 0, "errors_unforced": 0}
