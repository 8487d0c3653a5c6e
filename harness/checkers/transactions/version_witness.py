"""An order of transactions that real time allows and that explains every read, where one is soon found.

Where a store is strictly serializable, such an order is there. A transaction is an operation on several registers at once, and whoever
decides whether those are linearizable (`harness.checkers.linearizable.vector_search`) finds it, mostly at first try: within
real time few transactions compete for a place. What it finds is replayed here, so that nothing rests on the search.

Then every weaker model holds, too, and the versions in that order leave no cycle: unless reported numbers of versions contradict it,
the search for an order (`version_search`) ends where it begins. Where nothing is found (the store promises less, or broke its promise) all
is as it would be without: weak models are judged one by one (`weak_registers`), and an order is guessed (`version_guess`).
"""

from __future__ import annotations

import msgspec
import numpy as np

from harness.checkers.linearizable import calls as linearizable
from harness.checkers.linearizable.calls import Calls, Kind
from harness.checkers.linearizable.search import Budget
from harness.checkers.linearizable.vectors import keys_apart
from harness.checkers.transactions.rw_register import Versions
from harness.checkers.transactions.transactions import (
    FAIL,
    INFO,
    OK,
    WRITE,
    Integers,
    Transactions,
)
from harness.checkers.transactions.versions import NOBODY

__all__ = ["witness"]

_STEPS_EACH = 10
"""Steps that the search may take for each transaction of the largest group; one is what it takes where it hardly ever turns back."""

_STEPS_MIN = 1_000
_REMEMBERED_MAX = 1 << 18


def witness(transactions: Transactions, versions: Versions) -> Integers | None:
    """Return a place for every transaction, to be compared where they share a register; None where no such order was found.

    Who has no place in the order, because it failed or need not have happened, comes last. Nothing is looked for without compiled
    code, nor where a process goes on behind an indeterminate transaction: that one would have to come before what follows.
    """
    # Importing numba takes a second, and most histories need no witness.
    from harness.checkers.linearizable.compiled import COMPILED  # noqa: PLC0415
    from harness.checkers.linearizable.vector_search import search_vectors  # noqa: PLC0415

    if not COMPILED or _goes_on(transactions):
        return None
    rows, calls = _as_calls(transactions, versions)
    steps_max = _STEPS_MIN + _STEPS_EACH * int(np.bincount(calls.key).max(initial=0))
    budget = Budget(steps_max=steps_max, remembered_max=_REMEMBERED_MAX)
    found = search_vectors(calls, budget, confirmed=False)
    if not bool((found.valid == 1).all()):
        return None
    places = np.full(len(transactions.process), len(transactions.process), np.int64)
    for order in found.orders:
        places[rows[order]] = np.arange(len(order))
    objects = np.zeros(len(places), np.int64)
    objects[rows] = calls.key
    return places if _explains(transactions, versions, places, objects) else None


def _goes_on(transactions: Transactions) -> bool:
    """Whether a process has transactions behind one that ended indeterminate."""
    order = np.argsort(transactions.process, kind="stable")
    process, status = transactions.process[order], transactions.status[order]
    return bool(((process[1:] == process[:-1]) & (status[:-1] == INFO)).any())


def _as_calls(transactions: Transactions, versions: Versions) -> tuple[Integers, Calls]:
    """Return the transactions that did not fail as operations on registers, and which they are; unknown reads are left out."""
    takes_part = transactions.status != FAIL
    rows = np.flatnonzero(takes_part)
    at = np.flatnonzero(takes_part[transactions.transaction] & (versions.version >= 0))
    version = versions.version[at]
    value = np.where(version < versions.keys, linearizable.NIL, version - versions.keys + 1)
    puts = (transactions.f[at] == WRITE).astype(np.int64)
    number = np.cumsum(takes_part) - 1
    sizes = 3 * np.bincount(number[transactions.transaction[at]], minlength=len(rows))
    nothing = np.zeros(len(rows), np.int64)
    crashed = transactions.status[rows] == INFO
    calls = Calls(
        called=transactions.called[rows],
        returned=np.where(crashed, linearizable.INFINITY, transactions.returned[rows]),
        key=nothing,
        kind=np.full(len(rows), Kind.TXN_MANY),
        value=nothing,
        value_to=nothing,
        begin=np.concatenate(([0], np.cumsum(sizes))),
        items=np.stack([puts, transactions.key[at], value], axis=1).reshape(-1),
    )
    return rows, msgspec.structs.replace(calls, key=keys_apart(calls))


def _explains(
    transactions: Transactions, versions: Versions, places: Integers, objects: Integers
) -> bool:
    """Whether the transactions, carried out by `places`, saw what they saw, and real time allows it among those of each object."""
    count = len(transactions.process)
    placed = places < count
    if bool((~placed & (transactions.status == OK)).any()):
        return False
    rows = np.flatnonzero(placed)
    rows = rows[np.lexsort((places[rows], objects[rows]))]
    span = int(transactions.called.max(initial=0)) + 1
    apart = objects[rows] * span
    latest_call = np.maximum.accumulate(transactions.called[rows] + apart)
    if bool((np.minimum(transactions.returned[rows], span) + apart < latest_call).any()):
        return False
    row = transactions.transaction
    puts = transactions.f == WRITE
    tells = placed[row] & (puts | (transactions.status[row] == OK)) & (versions.version >= 0)
    at = np.flatnonzero(tells)
    at = at[np.lexsort((at, places[row[at]], transactions.key[at]))]
    key, version, puts = transactions.key[at], versions.version[at], puts[at]
    index = np.arange(len(at))
    latest = np.concatenate(([NOBODY], np.maximum.accumulate(np.where(puts, index, NOBODY))))[:-1]
    first = np.searchsorted(key, key)
    held = np.where(latest >= first, version[latest], key)
    return bool((puts | (version == held)).all())
