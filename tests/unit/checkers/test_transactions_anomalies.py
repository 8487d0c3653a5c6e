"""Every anomaly by its name, in the smallest history that shows it; no other name is given to it."""

import pytest
from transaction_anomalies import LISTS, OK, REGISTERS, append, read, write
from transaction_histories import at_once, names, of_one_process, one_by_one, placed, verdict

from harness.checkers.transactions import cycles


@pytest.mark.parametrize("case", LISTS)
def test_anomaly_of_lists_has_its_name(case):
    """A history of lists shows the named anomalies, with their shortest cycles and no others, however it is numbered."""
    ended, expected = LISTS[case]

    assert names(at_once(*ended)) == expected
    assert names(at_once(*ended[::-1])) == expected
    assert names(at_once(*ended[1:], ended[0])) == expected


@pytest.mark.parametrize("case", REGISTERS)
def test_anomaly_of_registers_has_its_name(case):
    """A history of registers shows the named anomalies, each cycle as short as it can be, and no others."""
    ended, expected = REGISTERS[case]

    assert names(at_once(*ended)) == expected


LATE_DEPENDENCE = {
    "G0": [(OK, [append("x", 2)]), (OK, [append("x", 1)]), (OK, [read("x", [1, 2])])],
    "G1c": [(OK, [read("x", [1])]), (OK, [append("x", 1)])],
    "G-single": [(OK, [append("x", 1)]), (OK, [read("x", [])]), (OK, [read("x", [1])])],
}
"""Histories without an anomaly, unless their transactions come one after another."""


@pytest.mark.parametrize("name", LATE_DEPENDENCE)
def test_real_time_closes_a_cycle(name):
    """Where one transaction returned before the next was called, a cycle through that order is -realtime."""
    ended = LATE_DEPENDENCE[name]

    assert names(one_by_one(*ended)) == {f"{name}-realtime": 2}
    assert names(one_by_one(*ended), "serializable") == {}


@pytest.mark.parametrize("name", LATE_DEPENDENCE)
def test_process_order_closes_a_cycle(name):
    """Where one process ran both transactions, the cycle is -process."""
    assert names(of_one_process(*LATE_DEPENDENCE[name])) == {f"{name}-process": 2}


def test_missed_updates_between_which_real_time_lies():
    """Two rw edges apart from each other, one of them before a real-time edge, are a G-nonadjacent-realtime."""
    ended = [
        (OK, [read("x", [])]),
        (OK, [append("x", 1)]),
        (OK, [read("x", [1]), read("y", [])]),
        (OK, [append("y", 1)]),
    ]
    history = placed(ended, [(4, 5), (2, 6), (1, 7), (0, 3)])

    assert names(history) == {"G-nonadjacent-realtime": 4}
    assert verdict(history, "strong-snapshot-isolation").valid is False
    assert verdict(history, "strong-session-serializable").valid is True


def test_write_skew_is_allowed_by_snapshot_isolation():
    """A G2-item is no violation of snapshot isolation, and the facts still say what it rules out."""
    ended, _ = LISTS["G2-item"]
    judged = verdict(at_once(*ended), "snapshot-isolation")

    assert judged.valid is True
    assert judged.facts["not"] == ["repeatable-read", "update-serializable"]
    assert judged.facts["anomalies"] == {"G2-item": 1, "write-skew": 1, "G-update": 1}
    assert "serializable" in judged.facts["also_not"]


def test_reported_versions_order_writes():
    """Versions that the store reported order blind writes: here against what was read."""
    ended = [
        (OK, [["w", "x", 1, 1], ["w", "y", 1, 2]]),
        (OK, [["w", "x", 2, 2], ["w", "y", 2, 1]]),
    ]

    assert names(at_once(*ended)) == {"G0": 2}


def test_claimed_order_of_keys_orders_writes():
    """Real time of single keys, when claimed, orders blind writes; without the claim each order is tried in vain."""
    ended = [(OK, [write("x", 1)]), (OK, [write("x", 2)]), (OK, [read("x", 1)])]

    assert names(one_by_one(*ended), key_order="realtime") == {"cyclic-versions": 0}
    assert names(one_by_one(*ended)) == {"no-order-for-strict-serializable": 0}
    assert names(one_by_one(*ended), "serializable") == {}


def test_values_written_twice_are_no_ground_for_a_verdict():
    """A value that was appended twice to a key makes its versions ambiguous: unknown."""
    judged = verdict(at_once((OK, [append("x", 1)]), (OK, [append("x", 1)])))

    assert judged.valid == "unknown"
    assert "cannot be told apart" in judged.evidence[0]["what"]


def test_nothing_that_depends_is_no_pass():
    """A history without a dependency is unknown."""
    assert verdict(at_once((OK, [append("x", 1)]))).valid == "unknown"
    assert verdict([]).valid == "unknown"


def test_a_search_that_ended_early_is_decided(monkeypatch):
    """Where cycles were left unsearched, it is known all the same that none of them rules out the model."""
    monkeypatch.setattr(cycles, "_VISITS_MAX", 0)
    ended, _ = LISTS["G2-item"]

    allowed = verdict(at_once(*ended), "snapshot-isolation")
    assert (allowed.valid, allowed.facts["search_complete"]) == (True, False)
    assert verdict(at_once(*ended), "serializable").valid is False
