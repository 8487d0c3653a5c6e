"""Checkers that read only the history: set, stats, availability."""

import pytest
from checker_traces import history, invariants, only

from harness.checkers.availability import Availability
from harness.checkers.set_full import SetFull
from harness.checkers.stats import Stats, quantile


def as_set(*lines, linearizable=True):
    return SetFull(linearizable=linearizable).check(only(history(*lines)))


ADDED = ("0 invoke add 1", "0 ok add 1")
SEEN = ("1 invoke read", "1 ok read [1]")
MISSED = ("1 invoke read", "1 ok read []")


def test_an_element_that_stays_is_stable():
    """Added, read, and never missed again: stable, however its add ended."""
    verdict = as_set(*ADDED, "0 invoke add 2", "0 info add 2", "1 invoke read", "1 ok read [1, 2]")
    assert verdict.valid is True
    assert verdict.facts["elements_stable"] == 2


def test_a_known_element_that_is_missed_for_ever_is_lost():
    """Acknowledged and then never read again: lost."""
    verdict = as_set(*ADDED, *MISSED)
    assert invariants(verdict) == ["I22"]
    assert verdict.facts["elements_lost"] == 1
    assert verdict.evidence[0]["element"] == 1


def test_an_element_that_was_seen_and_vanished_is_lost():
    """Seen by one read makes an element known, even if its add is indeterminate."""
    verdict = as_set("0 invoke add 1", "0 info add 1", *SEEN, *MISSED)
    assert verdict.facts["elements_lost"] == 1


def test_a_known_element_that_a_read_missed_in_between_is_stale():
    """Missed after it was known, seen later: stale; a violation only for a linearizable set."""
    lines = (*ADDED, *MISSED, *SEEN)
    assert as_set(*lines).valid is False
    relaxed = as_set(*lines, linearizable=False)
    assert relaxed.valid is True
    assert relaxed.facts["elements_stale"] == 1


def test_a_read_concurrent_with_the_add_may_miss_it():
    """A read invoked before the element was known may or may not see it."""
    lines = ("0 invoke add 1", "1 invoke read", "0 ok add 1", "1 ok read []", *SEEN)
    verdict = as_set(*lines)
    assert verdict.valid is True
    assert verdict.facts["elements_stale"] == 0


def test_an_element_twice_in_one_read_is_duplicated():
    """A set holds each element once."""
    verdict = as_set(*ADDED, "1 invoke read", "1 ok read [1, 1]")
    assert verdict.valid is False
    assert verdict.facts["elements_duplicated"] == 1


@pytest.mark.parametrize(
    "lines",
    [
        (*ADDED, "1 invoke read", "1 ok read [1, 7]"),
        ("1 invoke read", "1 ok read [1]", *ADDED, *SEEN),
        (*ADDED, "0 invoke add 2", "0 fail add 2", "1 invoke read", "1 ok read [1, 2]"),
        (*ADDED, "0 invoke add 2", "1 invoke read", "1 ok read [1, 2]", "0 fail add 2"),
    ],
    ids=["never added", "added later", "refused", "refused afterwards"],
)
def test_an_element_that_nobody_added_is_convicted(lines):
    """Out of nothing, before its add was asked for, or although its add had no effect."""
    verdict = as_set(*lines)
    assert verdict.valid is False
    assert verdict.facts["elements_unexpected"] == 1


@pytest.mark.parametrize("lines", [(), ADDED, (*MISSED, *ADDED)])
def test_a_set_that_was_not_read_is_no_pass(lines):
    """Without an element that was added and then read there is nothing to rely on."""
    assert as_set(*lines).valid == "unknown"


def test_an_add_that_failed_and_was_not_seen_is_not_lost():
    """A failed add promised nothing."""
    verdict = as_set(*ADDED, "0 invoke add 2", "0 fail add 2", *SEEN)
    assert verdict.valid is True
    assert verdict.facts["elements_never_read"] == 1


def test_stats_count_by_f_and_type():
    """Counts, the fraction that succeeded and the latencies of successes, for each f."""
    lines = (
        "0 invoke read",
        "nemesis info kill",
        "1 invoke write 1",
        "0 ok read 1",
        "1 ok write 1",
        "0 invoke read",
        "0 fail read",
        "1 invoke write 2",
    )
    verdict = Stats().check(only(history(*lines)))
    assert verdict.valid is True
    latency = {"0.5": 3000, "0.95": 3000, "0.99": 3000, "1": 3000}
    assert verdict.facts["operations"] == {
        "read": {"ok": 1, "fail": 1, "info": 0, "ok_fraction": 0.5, "latency_ns": latency},
        "write": {"ok": 1, "fail": 0, "info": 0, "ok_fraction": 1.0}
        | {"latency_ns": dict.fromkeys(latency, 2000)},
    }


@pytest.mark.parametrize(
    "lines", [(), ("nemesis info kill",), ("0 invoke write 1", "0 fail write 1")]
)
def test_an_f_that_never_succeeded_is_no_pass(lines):
    """A workload in which a kind of operation never worked has not tested it."""
    assert Stats().check(only(history(*lines))).valid == "unknown"


def test_an_f_that_may_fail_need_not_succeed():
    """What a workload expects to be refused does not make the statistics unknown."""
    lines = ("0 invoke write 1", "0 ok write 1", "0 invoke propose_raw {}", "0 info propose_raw {}")
    assert Stats().check(only(history(*lines))).valid == "unknown"
    assert Stats(("propose_raw",)).check(only(history(*lines))).valid is True


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.0, 1), (0.5, 2), (0.51, 3), (0.75, 3), (1.0, 4)]
)
def test_quantiles_are_values_that_occurred(fraction, expected):
    """A quantile is the smallest value that the fraction does not exceed."""
    assert quantile([1, 2, 3, 4], fraction) == expected


def available(*lines, limit_ns=5000):
    return Availability(limit_ns).check(only(history(*lines)))


def test_a_success_soon_after_the_heal_is_valid():
    """Only operations invoked after the last fault was undone count."""
    verdict = available(
        "0 invoke read",
        "nemesis info kill",
        "nemesis info heal",
        "0 ok read",
        "1 invoke read",
        "1 ok read",
    )
    assert verdict.valid is True
    assert verdict.facts == {"healed_at_ns": 2000, "recovered_after_ns": 3000}


def test_a_success_that_comes_too_late_is_convicted():
    """L3: the cluster has its limit and no more."""
    lines = (
        "nemesis info heal",
        "0 invoke read",
        *["1 invoke write 1", "1 fail write 1"] * 3,
        "0 ok read",
    )
    verdict = available(*lines)
    assert invariants(verdict) == ["L3"]
    assert verdict.facts["recovered_after_ns"] == 8000


def test_where_nobody_asked_for_a_while_the_time_counts_from_the_first_who_did():
    """A run that waited until its cluster had caught up asks later than the cluster's limit."""
    waiting = ["nemesis info heal", *["nemesis info catch-up"] * 9]

    assert available(*waiting, "0 invoke read", "0 ok read").valid is True
    assert available(*waiting, "0 invoke read", "0 fail read").valid is False


def test_no_success_within_the_limit_is_convicted():
    """L3: a cluster that never answers again has not recovered."""
    verdict = available("nemesis info heal", *["0 invoke read", "0 fail read"] * 3)
    assert verdict.valid is False
    assert verdict.facts["recovered_after_ns"] == -1


def test_a_run_that_ended_early_is_no_pass():
    """Neither recovered nor out of time: unknown."""
    assert available("nemesis info heal", "0 invoke read", "0 fail read").valid == "unknown"


def test_a_cluster_that_was_not_asked_is_no_pass():
    """Without an operation after the heal there is no answer to judge."""
    assert available("0 invoke read", "0 ok read", "nemesis info heal").valid == "unknown"


def test_what_follows_the_poison_is_not_judged():
    """A scenario that poisons the cluster on purpose is judged up to the poison."""
    lines = ("nemesis info heal", "0 invoke read", "0 ok read", "1 invoke propose_raw {}")
    verdict = available(*lines, "nemesis info start", *["0 invoke read", "0 fail read"] * 5)
    assert verdict.valid is True
