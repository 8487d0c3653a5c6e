"""The fixed load: in order, one at a time, and asked again only when nobody was there."""

import pytest

from cluster.worlds.tape import Stream
from harness.campaign.simulate import simulate
from harness.errors import UserMistake
from harness.generator import PENDING, new_context
from harness.scenario import Scenario
from workloads.fixed import ASK_AGAIN_NS, fixed_load, steps_from

RAW = [{"f": "write", "value": ["k", 1]}, {"f": "write", "value": ["k", 2], "delay_s": 0.5}]


@pytest.fixture
def context():
    return new_context(2, Stream("test", 0))


def load():
    return fixed_load(steps_from(RAW, ("write",)))


def test_one_operation_is_under_way_at_a_time(context):
    """The second is not offered while the first is open, though a thread is free."""
    first, left = load().operation(context)
    assert first.value == ["k", 1]
    left = left.update(context, first)
    assert left.operation(context) is PENDING


@pytest.mark.parametrize("kind", ["ok", "info", "fail"])
def test_the_next_begins_after_its_delay_whatever_came_of_the_one_before(context, kind):
    """An outcome decides nothing; the delay counts from the completion."""
    first, left = load().operation(context)
    done = first.completed(kind, error="FailedPrecondition: no")
    second, left = left.update(context, done).operation(context)
    assert second.value == ["k", 2]
    assert second.time_ns == done.time_ns + 500_000_000
    assert left.update(context, second.completed("ok")).operation(context) is None


@pytest.mark.parametrize("error", ["NotLeader: try n2", "Unavailable: n1 is down"])
def test_an_operation_that_nobody_took_is_asked_again(context, error):
    """A refusal for want of a leader says nothing about the operation."""
    first, left = load().operation(context)
    refused = first.completed("fail", error=error)
    again, _ = left.update(context, refused).operation(context)
    assert again.value == first.value
    assert again.time_ns == refused.time_ns + ASK_AGAIN_NS


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ([{"f": "wrte"}], "allowed: write"),
        ([{"value": 1}], "f"),
        ([{"f": "write", "delay": 1}], "delay"),
        ({"f": "write"}, "array"),
    ],
)
def test_lists_that_make_no_sense_are_refused(raw, told):
    """The message names the option and what is wrong with it."""
    with pytest.raises(UserMistake, match=f"options.operations: .*{told}"):
        steps_from(raw, ("write",))


def test_a_registration_names_key_writer_and_epoch():
    """A scenario that leaves one out is refused before it starts."""
    operations = [{"f": "register", "value": {"dek_id": 1, "epoch": 1}}]
    scenario = Scenario(workload="registry", options={"operations": operations})
    with pytest.raises(UserMistake, match="dek_id, writer and epoch"):
        simulate(scenario)
