"""What is set aside before the search: only what can be on no cycle."""

import numpy as np
from transaction_histories import one_by_one

from harness.checkers.transactions.components import components, forward_order, suspects
from harness.checkers.transactions.graph import WW, EdgeBuilder
from harness.checkers.transactions.transactions import load


def graph(count, *edges):
    """A graph over `count` transactions that ran one after another."""
    transactions = load(one_by_one(*[("ok", [["append", "x", number]]) for number in range(count)]))
    builder = EdgeBuilder(count)
    columns = np.array(edges, np.int64).reshape(-1, 2)
    builder.add(WW, columns[:, 0], columns[:, 1])
    return builder.graph(), transactions


def test_nothing_is_suspect_in_a_forward_graph():
    """Where every edge leads forward nothing is left, and the order of the transactions serves as one."""
    assert len(suspects(*graph(4, (0, 1), (1, 3), (0, 2))).nodes) == 0
    assert forward_order(*graph(3, (0, 1), (1, 2))) == [0, 1, 2]
    assert forward_order(*graph(3, (2, 0))) is None


def test_what_backward_edges_span_is_suspect():
    """All that lies between the ends of a backward edge is kept, also behind a shorter one inside it."""
    found = suspects(*graph(7, (5, 1), (3, 2), (1, 4), (4, 5), (0, 6)))

    assert found.nodes.tolist() == [1, 2, 3, 4, 5]
    assert found.backward.tolist() == [True, True, False, False]


def test_components_are_found_in_deep_graphs():
    """A circle of a hundred thousand nodes is one component; nodes on no circle are none."""
    count = 100_000
    circle = np.arange(count)
    source = np.concatenate((circle, [count]))
    target = np.concatenate(((circle + 1) % count, [0]))

    assert components(count + 1, source, target) == [list(range(count))]
    assert components(3, np.array([0, 1]), np.array([1, 2])) == []
