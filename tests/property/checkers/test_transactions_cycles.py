"""The search for cycles against a naive one that follows every way, and against stores whose truth is known."""

import random
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transaction_anomalies import LISTS
from transaction_histories import at_once, histories, names, placed, simulated, verdict

CLASSES = ("G0", "G1c", "G-single", "G-nonadjacent", "G2-item")


def dependencies(ended, places):
    """All edges (from, to, kind) of committed lists whose order is known, by the definition and nothing faster."""
    edges = set()
    orders = {key: seen for f, key, seen in ended[-1][1]}
    owner = {
        (key, value): at
        for at, (_, done) in enumerate(ended)
        for f, key, value in done
        if f == "append"
    }
    for key, order in orders.items():
        for before, behind in pairwise(order):
            edges.add((owner[key, before], owner[key, behind], "ww"))
    for at, (_, done) in enumerate(ended):
        for f, key, seen in done:
            if f == "append":
                continue
            last = owner[key, seen[-1]] if seen else None
            if last is not None:
                edges.add((last, at, "wr"))
            if last != at and len(seen) < len(orders.get(key, ())):
                edges.add((at, owner[key, orders[key][len(seen)]], "rw"))
    for before, (_, returned) in enumerate(places):
        for behind, (called, _) in enumerate(places):
            if returned < called:
                edges.add((before, behind, "realtime"))
    return sorted(edge for edge in edges if edge[0] != edge[1])


def cycles(edges):
    """Yield the kinds of the edges of every cycle that meets no transaction twice."""
    leaving = {}
    for source, target, kind in edges:
        leaving.setdefault(source, []).append((target, kind))

    def walk(start, node, visited, kinds):
        for target, kind in leaving.get(node, ()):
            if target == start:
                yield [*kinds, kind]
            elif target > start and target not in visited:
                yield from walk(start, target, {*visited, target}, [*kinds, kind])

    for start in leaving:
        yield from walk(start, start, {start}, [])


def rank(kinds):
    """(class, whether real time is needed) of a cycle."""
    count = kinds.count("rw")
    if count < 2:
        sort = 2 if count else int("wr" in kinds)
    else:
        sort = 4 if any(kinds[at - 1] == kinds[at] == "rw" for at in range(len(kinds))) else 3
    return sort, "realtime" in kinds


def shortest(edges):
    """(class, whether real time is needed) -> length of the shortest such cycle."""
    found = {}
    for kinds in cycles(edges):
        found[rank(kinds)] = min(len(kinds), found.get(rank(kinds), len(kinds)))
    return found


def agrees(case):
    ended, places = case
    ended = [*ended, ("ok", [["r", key, longest(ended, key)] for key in ("x", "y")])]
    places = [*places, (100, 101)]
    found = names(placed(ended, places))
    assume(all(name.startswith("G") or name == "lost-update" for name in found))
    expected = shortest(dependencies(ended, places))
    told = {
        (CLASSES.index(name.removesuffix("-realtime")), name.endswith("-realtime")): length
        for name, length in found.items()
        if length and name.removesuffix("-realtime") in CLASSES
    }
    assert all(expected[sort] == length for sort, length in told.items())
    for sort, real_time in expected:
        assert any(other <= sort and order <= real_time for other, order in told)


def longest(ended, key):
    """The list of a key in the end: what was seen of it, then what was not seen."""
    seen = max(
        (done[2] for _, value in ended for done in value if done[:2] == ["r", key]),
        key=len,
        default=[],
    )
    appended = [done[2] for _, value in ended for done in value if done[:2] == ["append", key]]
    return seen + [value for value in sorted(appended) if value not in seen]


@settings(max_examples=35, deadline=None, derandomize=True)
@given(histories("append", ("ok",)))
def test_cycles_are_the_shortest_of_their_name(case):
    """Every cycle told is a shortest one of its name, and every naive cycle is told under its name or a worse one."""
    agrees(case)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(histories("append", ("ok",)))
def test_many_cycles_are_the_shortest_of_their_name(case):
    """As above, on many more histories."""
    agrees(case)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 32), st.sampled_from(["append", "w"]))
def test_a_serializable_store_is_never_convicted(seed, write):
    """Whatever a store does that executes whole transactions at one moment, nothing is found in it."""
    history = simulated(random.Random(seed), write, 60)

    for key_order in ("unknown", "process", "realtime"):
        assert names(history, key_order=key_order) == {}
        assert verdict(history, key_order=key_order).valid is True


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", ["G0", "G1a", "G1b", "G1c", "G-single", "G-nonadjacent", "G2-item", "lost-update"]
)
def test_an_anomaly_is_found_among_thousands_of_transactions(case):
    """One anomaly in the middle of a long valid history is found, under its names and with its shortest cycles alone."""
    history = simulated(random.Random(7), "append", 5_000, processes=20)
    ended, expected = LISTS[case]
    injected = [
        operation.completed(operation.type, renamed(operation.value))
        if operation.type != "invoke"
        else operation
        for operation in at_once(*[(kind, renamed(value)) for kind, value in ended])
    ]
    middle = len(history) // 2
    history[middle:middle] = [
        type(operation)(
            process=operation.process + 10_000, type=operation.type, f="txn", value=operation.value
        )
        for operation in injected
    ]

    assert names(history) == expected


def renamed(value):
    """The same micro-operations on keys of their own."""
    return value and [
        [f, f"injected {key}" if len(key) == 1 else key, argument] for f, key, argument in value
    ]
