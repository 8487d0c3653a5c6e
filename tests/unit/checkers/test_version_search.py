"""Orders of versions that a history leaves open: one that fits is found, and where there is none the reader sees why."""

import builtins

import pytest
from transaction_anomalies import OK, append, read, write
from transaction_histories import at_once, one_by_one, verdict

LONG_FORK = [
    (OK, [write("x", 1)]),
    (OK, [write("x", 2)]),
    (OK, [write("y", 3)]),
    (OK, [write("y", 4)]),
    (OK, [read("x", 1), read("y", 3)]),
    (OK, [read("x", 2), read("y", 3)]),
    (OK, [read("x", 1), read("y", 4)]),
    (OK, [read("x", 2), read("y", 4)]),
]
"""All four pairs were seen at once: whichever version came first, three pairs follow one another and the fourth does not."""


def test_an_order_that_fits_is_found():
    """Blind writes whose order only their readers show are put in order, after trying others."""
    ended = [*LONG_FORK[:7]]
    judged = verdict(at_once(*ended), "serializable")

    assert judged.valid is True
    assert judged.facts["open_keys"] == 2
    assert judged.facts["anomalies"] == {}


def test_where_no_order_fits_the_cycles_are_told():
    """Four cycles, one for each pair of orders, are the whole reason."""
    judged = verdict(at_once(*LONG_FORK), "serializable")
    (finding,) = judged.evidence

    assert judged.valid is False
    assert judged.facts["not"] == ["serializable"]
    assert finding["invariant"] == "no-order-for-serializable"
    assert (
        "no order of the versions fits serializable; in each of them stands one of 4 cycles"
        in finding["what"]
    )
    assert len(finding["cycles"]) == 4


def test_weaker_models_are_not_touched():
    """What no order makes serializable may still be read atomic: no order is looked for."""
    judged = verdict(at_once(*LONG_FORK), "read-atomic")

    assert judged.valid is True
    assert judged.facts["orders_tried"] == 0


def test_the_search_ends_with_its_budget():
    """Where the budget does not suffice the verdict is unknown, and says how far the search came."""
    from transaction_histories import judge, load  # noqa: PLC0415 - only here without the shorthand

    judged = judge(load(at_once(*LONG_FORK)), ("serializable",), edges_max=0)

    assert judged.valid == "unknown"
    said = judged.evidence[-1]["what"]
    assert said.startswith("Tried 1 order of versions")
    assert "4 of 8 transactions" in said


def test_without_a_solver_the_verdict_says_what_to_install(monkeypatch):
    """Orders beyond the first need python-sat; without it the verdict is unknown."""
    real = builtins.__import__

    def importing(name, *rest):
        if name.startswith("pysat"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)
    judged = verdict(at_once(*LONG_FORK), "serializable")

    assert judged.valid == "unknown"
    assert "python-sat" in judged.evidence[-1]["what"]


def test_appends_that_nobody_saw_are_put_in_order():
    """Two transactions that appended to the same key, each missing what the other appended elsewhere: no order helps."""
    ended = [
        (OK, [append("x", 1), append("y", 1), read("z", [])]),
        (OK, [append("x", 2), append("z", 1), read("y", [])]),
    ]

    assert verdict(at_once(*ended), "snapshot-isolation").valid is False
    assert verdict(at_once(*ended), "prefix").valid is True


@pytest.mark.parametrize("count", [3, 6])
def test_the_first_order_follows_real_time(count):
    """Where writes follow one another in real time no other order is tried."""
    ended = [(OK, [write("x", number)]) for number in range(count)]
    judged = verdict(one_by_one(*ended, (OK, [read("x", count - 1)])))

    assert judged.valid is True
    assert judged.facts["orders_tried"] == 1


def test_what_reads_show_is_guessed_at_once():
    """Writes that overlap are put in the order that only somebody else's reads show: the first order fits."""
    ended = [
        (OK, [write("x", 1)]),
        (OK, [write("x", 2), write("y", 2)]),
        (OK, [read("y", 2), read("x", 1)]),
    ]
    judged = verdict(at_once(*ended), "serializable")

    assert judged.valid is True
    assert (judged.facts["open_keys"], judged.facts["orders_tried"]) == (1, 1)
