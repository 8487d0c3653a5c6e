"""The smallest histories of transactions that show each anomaly, and the names that a judge should give.

Case -> (how each transaction ended and what it did, name -> transactions in its shortest cycle, 0 for no cycle).
"""

from __future__ import annotations

OK, INFO, FAIL = "ok", "info", "fail"


def append(key, value):
    return ["append", key, value]


def write(key, value):
    return ["w", key, value]


def read(key, value):
    return ["r", key, value]


LISTS = {
    "nothing": ([(OK, [append("x", 1)]), (OK, [read("x", [1])])], {}),
    "G0": (
        [
            (OK, [append("x", 1), append("y", 1)]),
            (OK, [append("x", 2), append("y", 2)]),
            (OK, [read("x", [1, 2])]),
            (OK, [read("y", [2, 1])]),
        ],
        {"G0": 2},
    ),
    "G1a": ([(FAIL, [append("x", 1)]), (OK, [read("x", [1])])], {"G1a": 0}),
    "G1b": (
        [
            (OK, [append("x", 1), append("x", 2)]),
            (OK, [read("x", [1])]),
            (OK, [read("x", [1, 2])]),
        ],
        {"G1b": 0, "G-single": 2},
    ),
    "G1c": (
        [
            (OK, [append("x", 1), read("y", [1])]),
            (OK, [append("y", 1), read("x", [1])]),
        ],
        {"G1c": 2},
    ),
    "G-single": (
        [
            (OK, [append("x", 1), append("y", 1)]),
            (OK, [read("x", [1]), read("y", [])]),
            (OK, [read("y", [1])]),
        ],
        {"G-single": 2},
    ),
    "G-nonadjacent": (
        [
            (OK, [append("x", 1)]),
            (OK, [read("x", [1]), read("y", [])]),
            (OK, [append("y", 1)]),
            (OK, [read("y", [1]), read("x", [])]),
        ],
        {"G-nonadjacent": 4},
    ),
    "G2-item": (
        [
            (OK, [read("x", []), append("y", 1)]),
            (OK, [read("y", []), append("x", 1)]),
            (OK, [read("x", [1]), read("y", [1])]),
        ],
        {"G2-item": 2},
    ),
    "internal": ([(OK, [append("x", 1), read("x", [])])], {"internal": 0}),
    "internal, two reads": (
        [
            (OK, [append("x", 1)]),
            (OK, [read("x", [1]), read("x", [1])]),
            (OK, [read("x", []), read("x", [1])]),
        ],
        {"internal": 0, "G-single": 2},
    ),
    "future-read": ([(OK, [read("x", [1]), append("x", 1)])], {"future-read": 0}),
    "dirty-update": (
        [(FAIL, [append("x", 1)]), (OK, [append("x", 2)]), (OK, [read("x", [1, 2])])],
        {"dirty-update": 0, "G1a": 0},
    ),
    "duplicate-elements": (
        [(OK, [append("x", 1)]), (OK, [read("x", [1, 1])])],
        {"duplicate-elements": 0},
    ),
    "incompatible-order": (
        [
            (OK, [append("x", 1), append("y", 1)]),
            (OK, [append("x", 2)]),
            (OK, [read("x", [1]), read("y", [1])]),
            (OK, [read("x", [2, 1])]),
        ],
        {"incompatible-order": 0},
    ),
    "G2-item of three": (
        [
            (OK, [read("x", []), read("z", [1])]),
            (OK, [append("x", 1), read("y", [])]),
            (OK, [append("y", 1), append("z", 1)]),
        ],
        {"G2-item": 3},
    ),
    "a worse cycle that is longer": (
        [
            (OK, [read("x", []), append("y", 1), append("a", 1)]),
            (OK, [read("y", []), append("x", 1), read("b", [1])]),
            (OK, [read("a", [1]), append("b", 1)]),
        ],
        {"G-single": 3, "G2-item": 2},
    ),
    "phantom": ([(OK, [append("x", 1)]), (OK, [read("x", [1, 7])])], {"phantom": 0}),
    "cyclic-versions": (
        [(OK, [append("x", 1), append("x", 2)]), (OK, [read("x", [2, 1])])],
        {"cyclic-versions": 0, "G1b": 0},
    ),
    "lost-update": (
        [
            (OK, [read("x", []), append("x", 1)]),
            (OK, [read("x", []), append("x", 2)]),
            (OK, [read("x", [1, 2])]),
        ],
        {"lost-update": 0, "G-single": 2},
    ),
    "an indeterminate append that was seen": (
        [(INFO, [append("x", 1), append("y", 1)]), (OK, [read("x", [1]), read("y", [])])],
        {"G-single": 2},
    ),
    "an indeterminate append that was never seen": (
        [(INFO, [append("x", 1)]), (OK, [append("y", 1)]), (OK, [read("y", [1]), read("x", [])])],
        {},
    ),
    "appends that nobody saw": (
        [
            (OK, [append("x", 1), append("y", 1)]),
            (OK, [append("x", 2)]),
            (OK, [read("x", []), read("y", [1])]),
        ],
        {"G-single": 2},
    ),
}

REGISTERS = {
    "nothing": ([(OK, [write("x", 1)]), (OK, [read("x", 1)])], {}),
    "G0": (
        [
            (OK, [read("y", 2), write("y", 1), write("x", 1)]),
            (OK, [read("x", 1), write("x", 2), write("y", 2)]),
        ],
        {"G0": 2},
    ),
    "read-atomic-cycle": (
        [
            (OK, [write("x", 1), write("y", 1)]),
            (OK, [write("x", 2), write("y", 2)]),
            (OK, [read("x", 1), read("y", 2)]),
        ],
        {"read-atomic-cycle": 2},
    ),
    "monotonic-atomic-view-cycle": (
        [
            (OK, [write("x", 1), write("y", 1)]),
            (OK, [write("x", 2), write("y", 2)]),
            (OK, [read("x", 1), read("y", 2)]),
            (OK, [read("x", 2), read("y", 1)]),
        ],
        {"monotonic-atomic-view-cycle": 2},
    ),
    "G1a": ([(FAIL, [write("x", 1)]), (OK, [read("x", 1)])], {"G1a": 0}),
    "G1b": (
        [(OK, [write("x", 1), write("x", 2)]), (OK, [read("x", 1)])],
        {"G1b": 0, "G-single": 2},
    ),
    "G1c": (
        [(OK, [write("x", 1), read("y", 1)]), (OK, [write("y", 1), read("x", 1)])],
        {"G1c": 2},
    ),
    "G-single": (
        [(OK, [write("x", 1), write("y", 1)]), (OK, [read("x", 1), read("y", None)])],
        {"G-single": 2, "monotonic-atomic-view-cycle": 0},
    ),
    "G-nonadjacent": (
        [
            (OK, [write("x", 1)]),
            (OK, [read("x", 1), read("y", None)]),
            (OK, [write("y", 1)]),
            (OK, [read("y", 1), read("x", None)]),
        ],
        {"G-nonadjacent": 4},
    ),
    "G2-item": (
        [(OK, [read("x", None), write("y", 1)]), (OK, [read("y", None), write("x", 1)])],
        {"G2-item": 2},
    ),
    "internal": ([(OK, [write("x", 1), read("x", 2)]), (OK, [write("x", 2)])], {"internal": 0}),
    "future-read": ([(OK, [read("x", 1), write("x", 1)])], {"future-read": 0}),
    "phantom": ([(OK, [write("x", 1)]), (OK, [read("x", 7)])], {"phantom": 0}),
    "cyclic-versions": (
        [(OK, [read("x", 1), write("x", 2)]), (OK, [read("x", 2), write("x", 1)])],
        {"cyclic-versions": 0, "G1c": 2},
    ),
    "lost-update": (
        [
            (OK, [write("x", 1)]),
            (OK, [read("x", 1), write("x", 2)]),
            (OK, [read("x", 1), write("x", 3)]),
        ],
        {"lost-update": 0, "G2-item": 2},
    ),
}
