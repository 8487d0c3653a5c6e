"""A stretch of a history of several registers judged for itself, whatever came before it: `segments`, for `vectors`.

At the cut every register may be what it likes. Who sees a value that nobody put inside says what it was (`begun`). Where that may
be something else all the same (the value was put outside and inside, or two such are seen), what is seen of it is left out. What was open
at the cut may have happened or not, and what it saw counts for nothing. All that only allows more: a stretch that no order explains
convicts its history.
"""

from __future__ import annotations

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Column, Kind
from harness.checkers.linearizable.vectors import touched

__all__ = ["begun", "closed", "seen_by_nobody_put", "segment"]


_FRONT = 2
"""Positions of the put in front."""


def segment(calls: Calls, cut: int) -> tuple[Column, Calls]:
    """Return the rows of one key's stretch that begins at position `cut`, and the stretch: what still counts of it."""
    row, register, value, puts = touched(calls)
    pair = _pairs(register, value)
    inside = calls.returned >= cut
    unsure = (calls.called < cut) | (calls.returned >= INFINITY)
    put, seen = puts == 1, inside[row] & (puts == 0) & ~unsure[row]
    foreign = seen & ((value == NIL) | np.isin(pair, pair[put & ~inside[row]]))
    register_of = np.unique(np.stack([register[foreign], pair[foreign]]), axis=1)[0]
    several = np.bincount(register_of, minlength=int(register.max(initial=0)) + 1) > 1
    doubtful = foreign & (several[register] | np.isin(pair, pair[put & inside[row]]))
    counts = (inside[row] & put) | (seen & ~doubtful)
    rows = np.unique(row[counts])
    sizes = 3 * np.bincount(row[counts], minlength=len(calls))[rows]
    kept = calls.select(rows)
    return rows, msgspec.structs.replace(
        kept,
        returned=np.where(unsure[rows], INFINITY, kept.returned),
        kind=np.full(len(rows), Kind.TXN_MANY, dtype=np.int64),
        begin=np.concatenate([[0], np.cumsum(sizes)]),
        items=np.stack([puts, register, value], axis=1)[counts].reshape(-1),
    )


def begun(calls: Calls) -> Calls:
    """Return a stretch with a put in front of what is seen in it and was put before."""
    row, register, value, puts = touched(calls)
    pair = _pairs(register, value)
    before = (puts == 0) & ~np.isin(pair, pair[puts == 1])
    first = np.unique(np.stack([np.ones_like(row), register, value])[:, before], axis=1)
    fixed = {"called": 0, "returned": 1, "key": 0, "kind": Kind.TXN_MANY, "value": 0, "value_to": 0}
    later = msgspec.structs.replace(
        calls,
        called=calls.called + _FRONT,
        returned=np.where(calls.returned < INFINITY, calls.returned + _FRONT, INFINITY),
    )
    return Calls(
        **{name: np.append(number, getattr(later, name)) for name, number in fixed.items()},
        begin=np.append(0, calls.begin + first.size),
        items=np.append(first.T.reshape(-1), calls.items),
    )


def closed(calls: Calls, kept: Column) -> Column:
    """Return `kept` and every row that put what one of them saw, and so on."""
    row, register, value, puts = touched(calls)
    pair = _pairs(register, value)
    needed = np.zeros(len(calls), dtype=np.bool_)
    needed[kept] = True
    size = -1
    while size != needed.sum():
        size = int(needed.sum())
        seen = pair[needed[row] & (puts == 0)]
        needed[row[(puts == 1) & np.isin(pair, seen)]] = True
    return np.flatnonzero(needed)


def seen_by_nobody_put(calls: Calls) -> Column:
    """Return the rows of operations that saw what nobody put and no register begins with."""
    row, register, value, puts = touched(calls)
    pair = _pairs(register, value)
    known = calls.returned[row] < INFINITY
    strange = known & (puts == 0) & (value != NIL) & ~np.isin(pair, pair[puts == 1])
    return np.unique(row[strange])


def _pairs(register: Column, value: Column) -> Column:
    numbers: Column = register * (int(value.max(initial=0)) + 1) + value
    return numbers
