"""The leader's check against the applier: what it admits cannot halt, and what it refuses would have.

A log grows by admitted registrations while its applied prefix grows independently, as on a leader under load, and
the leader may change: the new one has applied less or more of the same log.
"""

from hypothesis import given, settings
from hypothesis import strategies as st
from machine_lab import Lab, registration_payload

from cluster.encryption.payloads import Registration
from cluster.machine.entries import encode_entry
from cluster.machine.kv_requests import KvRequest, encode_kv
from cluster.machine.leader_check import LeaderCheck, RegistrationRefused
from cluster.raft.messages import Entry

NODES = [0x10000, 0x20000, 0x1_0001]
PROPOSALS = st.tuples(st.integers(1, 2), st.sampled_from(NODES), st.integers(0, 4))
ACTIONS = st.lists(
    st.one_of(
        PROPOSALS.map(lambda proposal: ("propose", proposal)),
        st.tuples(st.just("apply"), st.integers(1, 5)),
        st.just(("data", 0)),
        st.just(("change", 0)),
        st.tuples(st.just("truncate"), st.integers(1, 5)),
    ),
    max_size=40,
)


def append(log, payload):
    index = len(log) + 1
    log.append(Entry(index, 1, encode_entry(index, payload)))


def refused(lab, log, registration):
    """Whether the leader at `lab` refuses."""
    check = LeaderCheck(lab.store.get, log[lab.machine.applied :])
    try:
        check.admit(registration)
    except RegistrationRefused:
        return True
    return False


@settings(max_examples=80, deadline=None)
@given(ACTIONS)
def test_admitted_registrations_never_halt(actions):
    """Replicas that apply the log at any pace, across leader changes and lost tails, meet no halt."""
    log: list[Entry] = []
    leader, other = Lab(), Lab()
    for action, argument in actions:
        applied = leader.machine.applied
        if action == "propose":
            dek_id, node, epoch = argument
            if not refused(leader, log, Registration(dek_id, node, epoch)):
                append(log, registration_payload(epoch, node=node, dek_id=dek_id))
        elif action == "data":
            append(log, encode_kv(KvRequest("c", len(log) + 1, "put", "k", 1)))
        elif action == "apply":
            for entry in log[applied : applied + argument]:
                assert not leader.machine.apply(entry).halt
        elif action == "truncate":
            del log[max(applied, other.machine.applied, len(log) - argument) :]
        else:
            leader, other = other, leader
    for lab in (leader, other):
        for entry in log[lab.machine.applied :]:
            assert not lab.machine.apply(entry).halt


@given(st.lists(PROPOSALS, max_size=12), PROPOSALS, st.integers(0, 12))
def test_refusals_are_exact(history, proposal, applied):
    """A registration is refused exactly if it would halt behind the log, however much of that is applied."""
    log: list[Entry] = []
    leader, ahead = Lab(), Lab()
    for dek_id, node, epoch in history:
        if not refused(leader, log, Registration(dek_id, node, epoch)):
            append(log, registration_payload(epoch, node=node, dek_id=dek_id))
    for entry in log[:applied]:
        leader.machine.apply(entry)
    for entry in log:
        ahead.machine.apply(entry)
    dek_id, node, epoch = proposal

    expected = ahead.register(epoch, node=node, dek_id=dek_id).halt

    assert refused(leader, log, Registration(dek_id, node, epoch)) == expected
