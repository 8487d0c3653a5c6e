"""Exactly once: retries of a client's request, across flushes, restarts and the bound on sessions."""

import pytest
from machine_lab import Lab

from cluster.machine.kv_requests import KvRequest, KvResponse, encode_batch
from cluster.machine.rows import SESSION_PREFIX

STALE = KvResponse(False, None, "stale")


def test_a_retry_takes_effect_once():
    """The second time a request is committed it changes nothing and gets the first response."""
    lab = Lab()
    first = lab.ask("append", "k", 1, client="a", sequence=1)
    again = lab.ask("append", "k", 1, client="a", sequence=1)

    assert again.result == first.result == KvResponse(True)
    assert again.decision == "kv"
    assert lab.machine.read("k") == [1]


def test_the_stored_response_counts():
    """A retry gets the old response even where the state would answer otherwise by now."""
    lab = Lab()
    lab.ask("cas", "k", 1, expected=0, client="a", sequence=1)
    lab.put("k", 0, client="b", sequence=1)

    again = lab.ask("cas", "k", 1, expected=0, client="a", sequence=1)

    assert again.result.error == "mismatch"
    assert lab.machine.read("k") == 0


def test_an_older_request_is_stale():
    """A request older than the client's last one is not executed, and its response is forgotten."""
    lab = Lab()
    lab.put("k", 1, client="a", sequence=5)

    assert lab.put("k", 2, client="a", sequence=4).result == STALE
    assert lab.machine.read("k") == 1


def test_clients_are_independent():
    """The same number of another client is another request; gaps in numbers are allowed."""
    lab = Lab()
    lab.put("k", 1, client="a", sequence=9)

    assert lab.put("k", 2, client="b", sequence=1).result.ok
    assert lab.put("k", 3, client="a", sequence=90).result.ok
    assert lab.machine.read("k") == 3


def test_a_retry_inside_one_batch():
    """A request that stands twice in one batch takes effect once."""
    lab = Lab()
    request = KvRequest("a", 1, "append", "k", 1)

    outcome = lab.apply(encode_batch([request, request]))

    assert outcome.result == [KvResponse(True), KvResponse(True)]
    assert lab.machine.read("k") == [1]


@pytest.mark.parametrize("op", ["append", "cas"])
def test_sessions_survive_with_their_effect(op):
    """After a power loss effect and session are both there, also of a request that failed."""
    lab = Lab()
    response = lab.ask(op, "k", 1, expected=9, client="a", sequence=1).result
    lab.machine.flush()

    after = Lab(lab.platter.after("power"))

    assert after.ask(op, "k", 1, expected=9, client="a", sequence=1).result == response
    assert after.machine.read("k") == ([1] if op == "append" else None)


def test_effect_and_session_are_one_batch():
    """Effect, session and applied index are committed together."""
    lab = Lab()
    lab.put("k", 1, client="a")
    lab.machine.flush()

    (batch,) = lab.store.batches
    assert [key for key, _ in batch["puts"]] == [b"kv|k", SESSION_PREFIX + b"a"]
    assert batch["index"] == 1
    assert batch["sync"]


def test_the_oldest_session_goes():
    """Above the bound the session that was used at the smallest index goes, and its row with it."""
    lab = Lab(sessions_max=2)
    for client in ("a", "b", "a", "c"):
        lab.put("k", client, client=client)
    lab.machine.flush()

    assert [key for key, _ in lab.store.scan(SESSION_PREFIX)] == [b"!session|a", b"!session|c"]


def test_a_retry_does_not_make_a_session_younger():
    """A duplicate writes nothing, so it does not save its session either."""
    lab = Lab(sessions_max=2)
    lab.put("k", 1, client="a", sequence=1)
    lab.put("k", 2, client="b", sequence=1)
    lab.put("k", 1, client="a", sequence=1)
    lab.put("k", 3, client="c", sequence=1)
    lab.machine.flush()

    assert [key for key, _ in lab.store.scan(SESSION_PREFIX)] == [b"!session|b", b"!session|c"]


def test_eviction_is_the_same_after_a_restart():
    """A replica that restarted drops the same session as one that did not, within one batch too."""
    batch = encode_batch([KvRequest(client, 1, "put", "k", 1) for client in ("z", "a", "m")])
    steady = Lab(sessions_max=3)
    steady.apply(batch)
    steady.machine.flush()
    restarted = Lab(steady.platter.after("power"), sessions_max=3)

    for lab in (steady, restarted):
        lab.put("k", 2, client="new")
        lab.put("k", 2, client="newer")
        lab.machine.flush()

    left = [key for key, _ in steady.store.scan(SESSION_PREFIX)]
    assert left == [b"!session|m", b"!session|new", b"!session|newer"]
    assert left == [key for key, _ in restarted.store.scan(SESSION_PREFIX)]
    assert steady.machine.state_hash() == restarted.machine.state_hash()
