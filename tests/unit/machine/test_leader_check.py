"""The leader's check: what it admits and refuses, with rows stored and registrations in flight."""

import pytest
from machine_lab import NODE, TWIN, Lab, registration_payload

from cluster.encryption.payloads import Registration
from cluster.machine.entries import encode_entry
from cluster.machine.leader_check import (
    CollisionRefused,
    LeaderCheck,
    NotReady,
    RollbackRefused,
    RowUnreadable,
)
from cluster.raft.messages import Entry


def tail(*payloads):
    return [Entry(10 + at, 1, encode_entry(at, payload)) for at, payload in enumerate(payloads)]


def check(lab, *payloads):
    return LeaderCheck(lab.store.get, tail(*payloads))


def registered(epoch):
    lab = Lab()
    lab.register(epoch)
    return lab


@pytest.mark.parametrize("epoch", [5, 6, 0xFFFF])
def test_admitted_against_a_stored_row(epoch):
    """An equal or larger epoch of the row's own node is admitted."""
    check(registered(5)).admit(Registration(1, NODE, epoch))


def test_rollback_against_a_stored_row():
    """A smaller epoch is refused, definitely, as a failed precondition."""
    with pytest.raises(RollbackRefused) as caught:
        check(registered(5)).admit(Registration(1, NODE, 4))
    assert caught.value.code == "FailedPrecondition"


@pytest.mark.parametrize("epoch", [4, 5, 6])
def test_collision_with_a_stored_row(epoch):
    """Another node with the same low bits is refused whatever its epoch."""
    with pytest.raises(CollisionRefused):
        check(registered(5)).admit(Registration(1, TWIN, epoch))


def test_registration_in_flight_counts():
    """A registration that is in the log but not applied is foreseen, for rollback and collision."""
    in_flight = check(registered(5), registration_payload(9))

    in_flight.admit(Registration(1, NODE, 9))
    with pytest.raises(RollbackRefused):
        in_flight.admit(Registration(1, NODE, 8))
    first = check(Lab(), registration_payload(0, node=TWIN))
    with pytest.raises(CollisionRefused):
        first.admit(Registration(1, NODE, 7))


def test_order_of_the_tail():
    """Of several registrations in flight the largest epoch counts, and one that will halt changes nothing."""
    in_flight = check(
        Lab(),
        registration_payload(3),
        registration_payload(7, node=TWIN),
        registration_payload(4),
        registration_payload(2),
    )

    in_flight.admit(Registration(1, NODE, 4))
    with pytest.raises(RollbackRefused):
        in_flight.admit(Registration(1, NODE, 3))


def test_keys_are_independent():
    """A row under one data key says nothing of another."""
    check(registered(5), registration_payload(9)).admit(Registration(2, NODE, 0))


@pytest.mark.parametrize("payload", [b"\x00kv", b"\x02", b"\x03short", b"\x06", b""])
def test_other_entries_in_flight(payload):
    """Entries that are no registrations, or malformed ones, are passed over."""
    check(Lab(), payload).admit(Registration(1, NODE, 0))


def test_checking_folds_nothing():
    """An admitted registration counts once it is in the log, not before."""
    checked = check(Lab())
    checked.admit(Registration(1, NODE, 9))

    checked.admit(Registration(1, NODE, 1))


def test_damaged_row():
    """A row that the leader cannot read is its own fault, not the caller's, also with one in flight."""
    lab = registered(5)
    (key, _), *_ = lab.machine.registry_rows()
    lab.platter.written[key] = b"11 bytes..."

    for payloads in ((), (registration_payload(9),)):
        with pytest.raises(RowUnreadable) as caught:
            check(lab, *payloads).admit(Registration(1, NODE, 9))
        assert caught.value.code == "Internal"


def test_not_ready_may_be_tried_again():
    """A leader that is not ready answers with a code of its own."""
    assert NotReady.code == "Unavailable"
