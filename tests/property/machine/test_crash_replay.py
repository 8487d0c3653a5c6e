"""Kill or power loss at every point of a registration, in every durability mode: replay never halts.

A life applies a log of key-value requests and registrations, dies at the armed point, and the next life goes
on from where the mode says. At the end every replica must hold the state of one that never died.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_lab import NODE, Lab, LabProbe, Platter, registration_payload

from cluster.machine.entries import encode_entry, encode_lease_payload
from cluster.machine.kv_requests import KvRequest, encode_kv
from cluster.probe import Crash
from cluster.raft.messages import Entry

POINTS = [
    "reg.before_get",
    "reg.after_get_before_set",
    "reg.mid_set",
    "reg.after_set",
    "reg.after_return",
]
MODES = ["every", "data", "snapshot"]
KINDS = ["kill", "power"]

LOG = [
    b"",
    encode_kv(KvRequest("c", 1, "append", "k", 1)),
    registration_payload(1),
    encode_kv(KvRequest("c", 2, "append", "k", 2)),
    registration_payload(2),
    registration_payload(2),
    registration_payload(4, dek_id=2),
    encode_lease_payload(7),
    registration_payload(5),
]


def entries(payloads):
    return [Entry(at + 1, 1, encode_entry(at, payload)) for at, payload in enumerate(payloads)]


def live(platter, log, mode, probe, flush_every=1):
    """Apply the rest of the log; a halt fails the test, a crash goes to the caller."""
    if mode == "snapshot":
        platter = Platter()
        applied = 0
    else:
        applied = None
    lab = Lab(platter, probe=probe, durability=mode, applied=applied)
    try:
        for entry in log[lab.machine.applied :]:
            outcome = lab.machine.apply(entry)
            outcome = lab.machine.settle() or outcome
            assert not outcome.halt, outcome.message
            if entry.index % flush_every == 0:
                assert lab.machine.flush() is None
        assert lab.machine.flush() is None
    except Crash:
        return lab, True
    return lab, False


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", POINTS)
def test_every_point_every_mode(point, kind, mode):
    """Whichever pass of the point the replica dies at, the next life ends in the state of the undisturbed one."""
    log = entries(LOG)
    undisturbed, _ = live(Platter(), log, mode, LabProbe())
    passes = undisturbed.probe.reached.count(point)
    assert passes >= 3
    for nth in range(1, passes + 1):
        first, crashed = live(Platter(), log, mode, LabProbe(point, kind, nth))
        assert crashed
        second, crashed = live(first.platter.after(kind), log, mode, LabProbe())

        assert not crashed
        assert second.machine.state_hash() == undisturbed.machine.state_hash()
        assert second.machine.read("k") == [1, 2]
        assert all(true for _, _, true in first.probe.claims + second.probe.claims)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_replay_behind_after_set_is_a_no_op(kind, mode):
    """The entry that was durable at reg.after_set replays as an equal epoch, without a write to its row."""
    first, crashed = live(
        Platter(), entries([registration_payload(3)]), mode, LabProbe("reg.after_set", kind)
    )
    assert crashed

    after = Lab(first.platter.after(kind), durability=mode)
    outcome = after.register(3)

    assert (outcome.decision, outcome.row_writes) == ("noop", 0)
    assert outcome.row_before == outcome.row_after != b""


PAYLOADS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 2), st.integers(1, 3)),
        st.tuples(st.just("register"), st.integers(1, 2), st.integers(0, 2)),
        st.just(("lease", 0, 0)),
        st.just(("nothing", 0, 0)),
    ),
    min_size=1,
    max_size=15,
)


def log_of(steps):
    """Turn steps into entries without a rollback: a registration adds to the epoch of its key."""
    epochs: dict[int, int] = {}
    payloads = []
    for at, (kind, first, second) in enumerate(steps):
        if kind == "put":
            payloads.append(encode_kv(KvRequest(f"c{second}", at + 1, "append", f"k{first}", at)))
        elif kind == "register":
            epochs[first] = epochs.get(first, 0) + second
            payloads.append(registration_payload(epochs[first], dek_id=first, node=NODE))
        else:
            payloads.append(encode_lease_payload(at) if kind == "lease" else b"")
    return entries(payloads)


@settings(max_examples=60, deadline=None)
@given(
    PAYLOADS,
    st.sampled_from(MODES),
    st.lists(
        st.tuples(st.sampled_from(POINTS), st.sampled_from(KINDS), st.integers(1, 8)), max_size=4
    ),
    st.integers(1, 4),
)
def test_many_lives(steps, mode, deaths, flush_every):
    """Any log and any chain of deaths end in the undisturbed state; the durable index never speaks for lost effects."""
    log = log_of(steps)
    undisturbed, _ = live(Platter(), log, "every", LabProbe())
    platter = Platter()
    for point, kind, nth in deaths:
        lab, crashed = live(platter, log, mode, LabProbe(point, kind, nth), flush_every)
        assert all(true for _, _, true in lab.probe.claims)
        platter = lab.platter.after(kind if crashed else "power")
    last, crashed = live(platter, log, mode, LabProbe(), flush_every)

    assert not crashed
    assert last.machine.state_hash() == undisturbed.machine.state_hash()
    assert not last.machine.recovering


@settings(max_examples=40, deadline=None)
@given(PAYLOADS, st.data())
def test_snapshot_then_log(steps, data):
    """A state restored from a snapshot at any index and given the rest of the log equals the undisturbed one."""
    log = log_of(steps)
    cut = data.draw(st.integers(0, len(log)))
    sender, _ = live(Platter(), log[:cut], "data", LabProbe())

    receiver = Lab(sender.restored(), applied=cut)
    assert receiver.machine.state_hash() == sender.machine.state_hash()
    for lab in (sender, receiver):
        for entry in log[cut:]:
            assert not lab.machine.apply(entry).halt

    assert receiver.machine.state_hash() == sender.machine.state_hash()
