"""Versions that a store reported: numbers that must agree with each other before anybody builds an order on them.

A client may give a micro-operation a fourth item, the number of the version that it read or wrote: ``["r", "x", 7, 12]``. Numbers
rise along the versions of one key; gaps do not matter, and other keys have numbers of their own. One number of a key
cannot stand for two values, nor one value have two numbers: who says so did not report what the store said, and there is
nothing to judge. (That the order of the numbers contradicts what transactions did is the store's fault, and an anomaly.)
What a transaction overwrote itself never became a version, so its number does not count.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["Reported", "contradiction"]

_Integers = npt.NDArray[np.int64]


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """The micro-operations of committed transactions that have a number, in their order; all columns are equally long."""

    position: _Integers
    transaction: _Integers
    key: _Integers
    value: _Integers
    version: _Integers
    writes: npt.NDArray[np.bool_]


def contradiction(reported: Reported) -> tuple[int, int] | None:
    """Return the positions of two micro-operations of which the second reports against the first, or None."""
    chosen = _became_versions(reported)
    position, key = reported.position[chosen], reported.key[chosen]
    value, version = reported.value[chosen], reported.version[chosen]
    found = []
    for same, other in ((version, value), (value, version)):
        order = np.lexsort((position, same, key))
        one, two = order[:-1], order[1:]
        wrong = (key[one] == key[two]) & (same[one] == same[two]) & (other[one] != other[two])
        pairs = zip(position[one[wrong]].tolist(), position[two[wrong]].tolist(), strict=True)
        found += [(min(pair), max(pair)) for pair in pairs]
    return min(found, key=lambda pair: pair[1], default=None)


def _became_versions(reported: Reported) -> _Integers:
    """Return what tells of a version: what follows no write of its own transaction, and the last write of each."""
    last: dict[tuple[int, int], int] = {}
    written: list[tuple[int, int] | None] = []
    columns = (reported.transaction, reported.key, reported.writes)
    for number, (row, key, writes) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        written.append((row, key) if writes or (row, key) in last else None)
        if writes:
            last[row, key] = number
    kept = [n for n, pair in enumerate(written) if pair is None or last[pair] <= n]
    return np.array(kept, np.int64)
