"""Indeterminate operations that the log of our own cluster decides, and what that is worth to linearizability."""

import msgspec
from checker_traces import TraceBuilder, history

from cluster.machine.entries import encode_entry
from cluster.machine.kv_requests import KvRequest, encode_kv
from harness.checkers.decided_by_log import decided_by_log
from harness.checkers.linearizability import Linearizability

WRITE_OF_5 = ('1 invoke write ["x",5]', '1 info write ["x",5]')
READ_OF_5 = ('2 invoke read ["x",null]', '2 ok read ["x",5]')
READ_OF_NOTHING = ('2 invoke read ["x",null]', '2 ok read ["x",null]')
CHECKER = Linearizability("register", knows=decided_by_log)


def run_of(lines, *requests):
    """A run whose log holds these requests, given as (client, sequence, value)."""
    trace = TraceBuilder()
    trace.put("other", 0)
    for client, sequence, value in requests:
        request = KvRequest(client, sequence, "put", "x", value)
        trace.replicate(encode_entry(100, encode_kv(request)))
    return trace.run(history(*lines))


def test_a_committed_write_took_effect():
    """A write whose numbered request is committed is decided: it took effect."""
    assert decided_by_log(run_of(WRITE_OF_5, ("p1", 1, 5))) == {0: True}


def test_a_write_that_no_log_holds_never_did():
    """A write whose request is nowhere on the committed path is decided: it never took effect."""
    assert decided_by_log(run_of(WRITE_OF_5)) == {0: False}


def test_the_same_request_under_another_number_decides_nothing():
    """What a client asked twice with one content stays open."""
    assert decided_by_log(run_of(WRITE_OF_5, ("p1", 2, 5))) == {}


def test_the_request_of_another_client_is_no_proof():
    """Another client that wrote the same does not speak for this one."""
    assert decided_by_log(run_of(WRITE_OF_5, ("p2", 1, 5))) == {0: False}


def test_without_a_trace_nothing_is_decided():
    """A run of which no log is known decides nothing."""
    run = msgspec.structs.replace(run_of(WRITE_OF_5), trace=[])

    assert decided_by_log(run) == {}


def test_a_read_of_what_never_happened_is_convicted_with_knowledge_alone():
    """A read that saw a write which no log holds fits the history, and is convicted by the log; the verdict says so."""
    lines = (*WRITE_OF_5, *READ_OF_5)

    verdict = CHECKER.check(run_of(lines))

    assert Linearizability("register").check(run_of(lines)).valid is True
    assert (verdict.valid, verdict.facts["decided_by_log"]) == (False, 1)
    assert verdict.evidence[0]["what"].startswith("only with what the log says")


def test_what_took_effect_may_do_so_late():
    """A committed write may take effect behind a read that did not see it."""
    verdict = CHECKER.check(run_of((*WRITE_OF_5, *READ_OF_NOTHING), ("p1", 1, 5)))

    assert (verdict.valid, verdict.facts["decided_by_log"]) == (True, 1)
