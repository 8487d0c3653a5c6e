"""Checkers of whole objects where their laws are easily got wrong: what is unknown, what is excused, and what the evidence says.

That they convict, and agree with their definitions, is shown by `test_cli_check_objects.py` and `test_objects_brute_force.py`.
"""

import pytest
from checker_traces import history, only

from harness.checkers.acyclic import ordered
from harness.checkers.bank import Bank
from harness.checkers.causal.consistency import CausalConsistency
from harness.checkers.causal.guarantees import SessionGuarantees
from harness.checkers.checker import check_safely
from harness.checkers.counter_bounds import CounterBounds
from harness.checkers.fenced_lock import FencedLock
from harness.checkers.long_fork import LongFork
from harness.checkers.monotonic import Monotonic
from harness.checkers.partitioned_log.checker import LogOrder
from harness.checkers.set_full import SetFull
from harness.checkers.total_queue import TotalQueue
from harness.checkers.write_precedence import WritePrecedence


def judged(checker, *lines):
    return checker.check(only(history(*lines)))


def done(*lines):
    """``"0 write 1"`` ... one after the other, each ended ok."""
    for line in lines:
        process, f, *value = line.split(" ", 2)
        yield from (f"{process} {kind} {f} {' '.join(value)}".strip() for kind in ("invoke", "ok"))


def names(verdict):
    return [found["invariant"] for found in verdict.evidence]


EVERY = [
    SetFull(), TotalQueue(), CounterBounds(), Bank(), LongFork(), Monotonic(), FencedLock(), WritePrecedence(),
    LogOrder(), CausalConsistency(), CausalConsistency("memory"), SessionGuarantees(),
]  # fmt: skip


@pytest.mark.parametrize("checker", EVERY, ids=lambda checker: checker.name)
def test_nothing_is_no_pass(checker):
    """A history without operations is unknown, and says why."""
    verdict = check_safely(checker, only([]))

    assert verdict.valid == "unknown"
    assert names(verdict) == ["stimulus"]


def test_an_element_may_have_gone_with_a_crashed_dequeue():
    """One crashed dequeue excuses one lost element, not two."""
    lost = [
        *done("0 enqueue 1", "1 enqueue 2", "0 dequeue 2"),
        "0 invoke dequeue",
        "0 info dequeue",
    ]

    assert judged(TotalQueue(), *lost).valid == "unknown"
    verdict = judged(TotalQueue(), *done("2 enqueue 3"), *lost)
    assert verdict.valid is False
    assert verdict.facts["queue_lost"] == 2


def test_a_queue_may_deliver_twice():
    """Duplicates are counted and convict nobody; recovered elements are those of unknown enqueues."""
    verdict = judged(
        TotalQueue(), "5 invoke enqueue 7", *done("0 enqueue 1", "0 dequeue 1", "0 drain [1, 7]")
    )

    assert verdict.valid is True
    assert (verdict.facts["queue_duplicated"], verdict.facts["queue_recovered"]) == (1, 1)


def test_a_crashed_add_counts_from_its_invocation_for_ever():
    """An add that crashed may show at any time, before its invocation never."""
    crash = ["9 invoke add 5", "9 info add 5"]

    assert judged(CounterBounds(), *crash, *done("0 read 0", "0 read 5", "0 read 0")).valid is True
    early = judged(CounterBounds(), *done("0 read 5"), *crash)
    assert early.evidence[0]["bounds"] == {"low": 0, "read": 5, "high": 0}


def test_latencies_of_elements_are_told():
    """How long a stable element was missed after it was known, and a lost one still seen."""
    verdict = judged(
        SetFull(linearizable=False), *done("0 add 1", "1 read []", "1 read [1]", "0 add 2", "1 read [1, 2]", "1 read [1]")
    )  # fmt: skip

    assert verdict.facts["stable_latency_ns"]["1"] == 1000
    assert verdict.facts["lost_latency_ns"]["1"] == 1000
    assert verdict.evidence[0]["operations"] == [7, 9, 11]


def test_the_many_reads_of_a_bank_are_right():
    """Without a total the majority has it, even when the first read is the wrong one; the finding names what was under way."""
    verdict = judged(
        Bank(),
        *done('0 read {"a": 5, "b": 5}'),
        "3 invoke transfer {}",
        *done('1 read {"a": 4, "b": 5}', '0 read {"a": 4, "b": 6}'),
    )

    assert names(verdict) == ["wrong-total"]
    assert verdict.facts["bank_total"] == 10
    assert verdict.evidence[0]["operations"] == [1, 2, 4]
    assert judged(Bank(total=9), *done('1 read {"a": 4, "b": 5}')).valid is True


def test_every_kind_of_wrong_balance_has_its_name():
    """Accounts, empty balances, sums and debts are told apart; debts may be allowed."""
    right = done(*['0 read {"a": 1, "b": 1}'] * 3)
    verdict = judged(
        Bank(), *right, *done('1 read {"a": null, "c": 2}', '1 read {"a": -1, "b": 3}')
    )

    assert names(verdict) == ["wrong-accounts", "nil-balance", "negative-value"]
    assert judged(Bank(negative_balances=True), *done('1 read {"a": -1, "b": 3}')).valid is True


def test_registers_written_twice_cannot_fork():
    """Long fork cannot tell what was seen of a register with two writes: unknown."""
    verdict = judged(LongFork(), *done('0 txn [["w", "x", 1]]', '1 txn [["w", "x", 2]]'))

    assert verdict.valid == "unknown"
    assert names(verdict)[0] == "multiple-writes"


def test_a_group_of_another_size_is_no_pass():
    """Where a size is promised, a read of more or fewer registers was not what was wanted."""
    lines = list(done('0 txn [["w", "x", 1]]', '1 txn [["r", "x", 1], ["r", "y", null]]'))

    assert judged(LongFork(2), *lines).valid is True
    assert "group-size" in names(judged(LongFork(3), *lines))


def test_overlapping_holders_are_counted():
    """A lock that is granted while another holds it is a fact, and its tokens decide."""
    verdict = judged(FencedLock(), *done("0 acquire 1", "1 acquire 2", "1 write [2, 7]"))

    assert verdict.valid is True
    assert verdict.facts["lock_overlaps"] == 1


def test_a_value_written_twice_says_nothing():
    """Reads of an ambiguous value convict nobody of causality, and let nobody pass; what is wrong besides is still seen."""
    twice = list(done("0 write 1", "1 write 1", "2 read 1"))

    assert names(judged(CausalConsistency(), *twice)) == ["ambiguous-writes", "stimulus"]
    assert judged(SessionGuarantees(), *twice).valid == "unknown"
    assert judged(CausalConsistency(), *twice, *done("2 read 9")).valid is False


def test_the_way_of_a_causal_violation_is_told():
    """The finding goes from the write that was hidden to the read, step by step."""
    verdict = judged(
        CausalConsistency(), *done("0 write 1", "1 read 1", "1 write 2", "2 read 2", "2 read 1")
    )

    assert names(verdict) == ["WriteCORead"]
    assert "write(1) of process 0 was seen by read(1) of process 1" in verdict.evidence[0]["what"]
    assert verdict.evidence[0]["operations"] == [1, 5, 9]


def test_convergence_asks_more_than_consistency():
    """Two sessions that see two writes in opposite orders are consistent, and never settle."""
    lines = list(done("0 write 1", "1 write 2", "2 read 1", "3 read 2", "2 read 2", "3 read 1"))

    assert judged(CausalConsistency(), *lines).valid is True
    assert names(judged(CausalConsistency("convergence"), *lines)) == ["CyclicCF"]
    assert judged(CausalConsistency("memory"), *lines).valid is True


def test_a_session_that_goes_back_breaks_memory():
    """Within one session two concurrent writes have one order."""
    lines = list(done("0 write 1", "1 write 2", "2 read 1", "2 read 2", "2 read 1"))

    assert judged(CausalConsistency(), *lines).valid is True
    assert names(judged(CausalConsistency("memory"), *lines)) == ["CyclicHB"]


def test_a_read_from_the_future_is_a_cycle():
    """A session that reads what it writes later is before itself."""
    assert "CyclicCO" in names(judged(CausalConsistency(), *done("0 read 1", "0 write 1")))


def test_what_read_init_finds_is_the_beginning():
    """Jepsen's causal registers begin with a value that nobody wrote."""
    lines = list(done("0 read-init 0", "0 write 1", "0 read 1"))

    assert judged(CausalConsistency(), *lines).valid is True
    assert names(judged(CausalConsistency(), *lines, *done("0 read 0"))) == ["WriteCOInitRead"]


def test_guarantees_that_contradict_one_another_are_named_together():
    """Alone each has an order of writes, together they have none."""
    verdict = judged(SessionGuarantees(), *done("0 write 1", "0 write 2", "1 read 2", "1 read 1"))

    assert names(verdict) == ["monotonic-reads and monotonic-writes"]


def test_subscribers_may_be_moved():
    """Where anybody subscribed, a poll that skips is told and convicts nobody."""
    sends = list(done(*[f'0 send [["send", 0, [{n}, {n + 1}]]]' for n in range(3)]))
    polls = list(done('1 poll [["poll", {"0": [[0, 1]]}]]', '1 poll [["poll", {"0": [[2, 3]]}]]', '2 poll [["poll", {"0": [[1, 2]]}]]'))  # fmt: skip

    assert names(judged(LogOrder(), *sends, *polls)) == ["poll-skip"]
    moved = judged(LogOrder(), *done("1 subscribe [0]"), *sends, *polls)
    assert (moved.valid, names(moved)) == (True, ["poll-skip"])


def test_what_nobody_polled_is_no_loss():
    """A message behind everything that was polled is unseen, one in front of it is lost."""
    sends = list(done('0 send [["send", 0, [0, 1]]]', '0 send [["send", 0, [1, 2]]]'))

    unseen = judged(LogOrder(), *sends, *done('1 poll [["poll", {"0": [[0, 1]]}]]'))
    assert (unseen.valid, names(unseen)) == ("unknown", ["unseen"])
    lost = judged(LogOrder(), *sends, *done('1 poll [["poll", {"0": [[1, 2]]}]]'))
    assert names(lost) == ["lost-write"]


def test_transactions_that_read_one_another_are_circular():
    """G1c: each of two transactions was shown what the other sent."""
    verdict = judged(
        LogOrder(),
        *done('0 txn [["send", 0, [0, 1]], ["poll", {"1": [[0, 2]]}]]', '1 txn [["send", 1, [0, 2]], ["poll", {"0": [[0, 1]]}]]'),
    )  # fmt: skip

    assert names(verdict) == ["G1c"]


def test_messages_are_shown_after_they_are_sent():
    """G1c-realtime: a poll returned before the message was sent, or before the one that its sender had been shown."""
    early = judged(
        LogOrder(), *done('1 poll [["poll", {"0": [[0, 1]]}]]', '0 send [["send", 0, [0, 1]]]')
    )
    assert names(early) == ["G1c-realtime"]
    told = [
        '1 invoke txn [["send", 1, 2], ["poll"]]',
        *done('2 poll [["poll", {"1": [[0, 2]]}]]', '0 send [["send", 0, [0, 1]]]'),
        '1 ok txn [["send", 1, [0, 2]], ["poll", {"0": [[0, 1]]}]]',
    ]
    assert names(judged(LogOrder(), *told)) == ["G1c-realtime"]


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        ([(0, 1), (1, 2), (2, 0)], {0, 1, 2}),
        ([(0, 1), (1, 2), (2, 3), (3, 0), (2, 1)], {1, 2}),
        ([(0, 0)], {0}),
    ],
)
def test_the_shortest_cycle_is_found(edges, cycle):
    """Each node of the cycle precedes the next, and no shorter one is overlooked in small graphs."""
    order, found = ordered(4, edges)

    assert order == []
    assert set(found) == cycle
    assert all(pair in edges for pair in zip(found, [*found[1:], found[0]], strict=True))


def test_an_order_respects_every_edge():
    """Without a cycle all nodes stand in order."""
    order, found = ordered(4, [(3, 1), (1, 0), (3, 0), (0, 2)])

    assert found == []
    assert order == [3, 1, 0, 2]


def test_memory_without_time_for_every_session_is_unknown():
    """Causal memory looks at one session after the other; those it had no time for may have seen anything."""
    lines = [*done("0 write 1", "1 read 1", "2 read 1")]

    verdict = judged(CausalConsistency("memory", passed_max=3), *lines)

    assert verdict.valid == "unknown"
    assert names(verdict) == ["out-of-budget"]
    assert "2 of 3 sessions" in verdict.evidence[0]["what"]
