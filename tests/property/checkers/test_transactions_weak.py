"""Weak models of registers against their definition: on tiny histories every order of commits is tried."""

from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transaction_histories import histories, names, verdict

from harness.checkers.transactions import weak_registers as weak
from harness.operation import Operation

WEAK = {
    "monotonic-atomic-view-cycle": "monotonic",
    "read-atomic-cycle": "atomic",
    "read-atomic-cycle-process": "causal",
    "causal-cycle": "causal",
    "causal-cycle-process": "causal",
}
INITIAL = -1


def in_sessions(ended, sessions):
    """One transaction after the other, transaction i on process `sessions[i]`."""
    history = []
    for (kind, value), process in zip(ended, sessions, strict=True):
        asked = [[f, key, None if f == "r" else argument] for f, key, argument in value]
        invoked = Operation(process=process, f="txn", value=asked)
        history += [invoked, invoked.completed(kind, value)]
    return history


def external_reads(value):
    """(key, value) of every first micro-operation on its key, where it is a read."""
    touched = set()
    for f, key, seen in value:
        if f == "r" and key not in touched:
            yield key, seen
        touched.add(key)


def fits(model, ended, sessions):
    """Whether some order of commits satisfies the rule of a model; by brute force."""
    count = len(ended)
    owner = {
        (key, value): at for at, (_, done) in enumerate(ended) for f, key, value in done if f == "w"
    }
    keys = [{key for f, key, _ in done if f == "w"} for _, done in ended]
    reads = [
        [(key, INITIAL if seen is None else owner[key, seen]) for key, seen in external_reads(done)]
        for _, done in ended
    ]
    reads = [[(key, source) for key, source in of if source != at] for at, of in enumerate(reads)]
    before = {(source, at) for at, of in enumerate(reads) for _, source in of if source != INITIAL}
    if model == "causal":
        before |= {
            (a, b) for a in range(count) for b in range(a + 1, count) if sessions[a] == sessions[b]
        }
        for middle in range(count):
            before |= {
                (a, b)
                for a in range(count)
                for b in range(count)
                if {(a, middle), (middle, b)} <= before
            }
    rules = set(before)
    for at, of in enumerate(reads):
        for number, (key, source) in enumerate(of):
            seen = {"monotonic": of[:number], "atomic": of, "causal": []}[model]
            visible = {other for _, other in seen} | {
                a for a, b in before if b == at and model == "causal"
            }
            rules |= {(a, source) for a in visible if a not in (INITIAL, source) and key in keys[a]}
    return any(
        all(order.index(a) < order.index(b) for a, b in rules if b != INITIAL)
        for order in permutations(range(count))
    ) and all(b != INITIAL for _, b in rules)


def agrees(case, sessions):
    ended = case[0]
    sessions = sessions[: len(ended)]
    found = names(in_sessions(ended, sessions))
    assume(not {"internal", "future-read", "G1a", "phantom"} & set(found))
    assume(not any(name.startswith(("G0", "G1c")) for name in found))
    told = {model for name, model in WEAK.items() if name in found}
    expected = [model for model in dict.fromkeys(WEAK.values()) if not fits(model, ended, sessions)]
    assert told == set(expected[:1])


SESSIONS = st.lists(st.integers(0, 1), min_size=4, max_size=4)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(histories("w", ("ok",)), SESSIONS)
def test_the_weakest_broken_model_is_told(case, sessions):
    """Registers are convicted of the weakest model for which no order of commits exists, and of none when all have one."""
    agrees(case, sessions)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, derandomize=True)
@given(histories("w", ("ok",)), SESSIONS)
def test_many_times_the_weakest_broken_model_is_told(case, sessions):
    """As above, on many more histories."""
    agrees(case, sessions)


def test_a_causal_cycle_is_told():
    """A process that sees an effect without its cause breaks causality and nothing weaker."""
    ended = [
        ("ok", [["w", "x", 1]]),
        ("ok", [["r", "x", 1], ["w", "y", 1]]),
        ("ok", [["r", "y", 1]]),
        ("ok", [["r", "x", None]]),
    ]
    judged = verdict(in_sessions(ended, [0, 1, 2, 2]), "strong-session-snapshot-isolation")

    assert "causal-cycle-process" in judged.facts["anomalies"]
    assert not {"read-atomic-cycle", "monotonic-atomic-view-cycle"} & set(judged.facts["anomalies"])


def test_a_visible_write_is_told_in_sentences():
    """The sentence names the write, who saw its transaction, and the read that should have followed from it."""
    ended = [
        ("ok", [["w", "x", 1], ["w", "y", 1]]),
        ("ok", [["w", "x", 2], ["w", "y", 2]]),
        ("ok", [["r", "x", 1], ["r", "y", 2]]),
    ]
    (finding,) = verdict(in_sessions(ended, [0, 1, 2]), "read-atomic").evidence

    assert (
        "T0 wrote 1 to key 'y', T2 saw T0, and still T2 read key 'y' as 2, which is of T1"
        in finding["what"]
    )
    assert finding["steps"][0]["reader"] == "T2"
    assert [operation["name"] for operation in finding["operations"]] == ["T0", "T1", "T2"]


def test_histories_with_too_many_processes_are_not_judged_for_causality(monkeypatch):
    """Where vector clocks would not fit, the facts say that causality was not judged."""
    ended = [("ok", [["w", "x", 1]]), ("ok", [["r", "x", 1]])]
    history = in_sessions(ended, [0, 1])
    assert verdict(history).facts["causality_judged"] is True

    monkeypatch.setattr(weak, "_CLOCK_CELLS_MAX", 3)
    assert verdict(history).facts["causality_judged"] is False
