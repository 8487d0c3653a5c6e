"""Verdicts by search, key by key: a compiled one where states are small (`kernel`) or registers many (`vector_kernel`), else the plain
one (`search`).

An illegal verdict of the compiled search rests on a hash, so it is asked again with other random marks; two mistakes that agree
take a collision in 256 bits.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import Calls, Column, Kind
from harness.checkers.linearizable.compiled import COMPILED
from harness.checkers.linearizable.encoding import Encoded, encode
from harness.checkers.linearizable.search import Budget, search
from harness.checkers.linearizable.sequential import MODELS

__all__ = ["COMPILED_MODELS", "LISTING", "KeyFound", "affordable", "search_each_key"]

COMPILED_MODELS = ("register", "cas-register", "kv", "mutex")
VECTORS = "multi-register"
"""The model that has a compiled search of its own."""

LISTING = (Kind.APPEND, Kind.READ_LIST)
"""Kinds without which a key-value store is one of registers."""

_GLANCE_MIN = 3_000
_GLANCE_PER_STEP, _GLANCE_PER_STEP_CRASHED = 3, 1
"""Steps of the short search that every key gets first, at least, and for each operation that it has put in order: fewer where some
crashed, for there a search that is not through at once is mostly lost."""

_PLAIN_PRICE = 10
"""Steps of a compiled search that take as long as one of plain Python."""

_WIDE_MIN = 200_000
"""A wide sweep gets what the budget still has, if that are so many steps; the search has what is left."""

_CONFIRMING = 1
"""Series of the marks with which an illegal verdict is asked again."""


class KeyFound(msgspec.Struct, frozen=True, kw_only=True):
    """What searches found, columns by key (dense, see `search_each_key`).

    `valid` is 1, 0, or -1 for unknown; `explained` says how many rows of the key the longest order took.
    """

    keys: Column
    valid: Column
    steps: Column
    explained: Column
    orders: list[Column]
    """The rows of each valid key in their order; nothing for others."""


def search_each_key(calls: Calls, model: str, budget: Budget) -> KeyFound:
    """Search every key that has rows; a key may use the whole budget."""
    keys, dense_key = np.unique(calls.key, return_inverse=True)
    alone = msgspec.structs.replace(calls, key=dense_key.astype(np.int64))
    if model == "refusing-register":
        return _refusing(alone, keys, budget)
    if model == VECTORS:
        return _vectors(alone, keys, budget)
    if model == "kv" and not np.isin(calls.kind, LISTING).any():
        model = "register"
    by = _compiled if model in COMPILED_MODELS else _plain
    return by(alone, keys, model, budget)


def affordable(budget: Budget, model: str) -> Budget:
    """Return what a budget, whose steps are those of compiled searches, is worth where nothing is compiled."""
    if COMPILED and model in (*COMPILED_MODELS, VECTORS):
        return budget
    return msgspec.structs.replace(budget, steps_max=-(-budget.steps_max // _PLAIN_PRICE))


def _refusing(calls: Calls, keys: Column, budget: Budget) -> KeyFound:
    """Search registers that also refuse: what has no order without its refusals has none with them, and that is compiled."""
    bare = np.flatnonzero(calls.kind != Kind.CAS_REFUSED)
    valid = np.full(len(keys), -1, dtype=np.int64)
    steps, explained = np.zeros_like(valid), np.zeros_like(valid)
    if len(bare):
        without = search_each_key(calls.select(bare), "cas-register", budget)
        steps[without.keys], explained[without.keys] = without.steps, without.explained
        valid[without.keys[without.valid == 0]] = 0
    orders = [np.zeros(0, dtype=np.int64)] * len(keys)
    rest = np.flatnonzero(valid[calls.key] < 0)
    if len(rest):
        found = _plain(calls.select(rest), np.unique(calls.key[rest]), "refusing-register", budget)
        valid[found.keys] = found.valid
        steps[found.keys] += found.steps
        explained[found.keys] = found.explained
        for key, order in zip(found.keys.tolist(), found.orders, strict=True):
            orders[key] = rest[order]
    return KeyFound(keys=keys, valid=valid, steps=steps, explained=explained, orders=orders)


def _vectors(calls: Calls, keys: Column, budget: Budget) -> KeyFound:
    # As in `_compiled`.
    from harness.checkers.linearizable.vector_search import search_vectors  # noqa: PLC0415

    found = search_vectors(calls, budget)
    return KeyFound(keys=keys, **found._asdict())


def _plain(calls: Calls, keys: Column, model: str, budget: Budget) -> KeyFound:
    by_key = np.argsort(calls.key, kind="stable")
    members = np.split(by_key, np.flatnonzero(np.diff(calls.key[by_key])) + 1)
    found = [search(calls.select(rows), MODELS[model], budget) for rows in members[: len(keys)]]
    nothing = np.zeros(0, dtype=np.int64)
    return KeyFound(
        keys=keys,
        valid=np.array([-1 if one.valid == "unknown" else int(one.valid) for one in found]),
        steps=np.array([one.steps for one in found]),
        explained=np.array([len(one.order) for one in found]),
        orders=[
            rows[list(one.order)] if one.valid is True else nothing
            for rows, one in zip(members, found, strict=False)
        ],
    )


def _compiled(calls: Calls, keys: Column, model: str, budget: Budget) -> KeyFound:
    # Importing numba takes a second, and most histories need no search.
    from harness.checkers.linearizable.compiled_search import search_keys  # noqa: PLC0415
    from harness.checkers.linearizable.kernel import ILLEGAL, LEGAL  # noqa: PLC0415

    encoded = encode(calls, model)
    count = len(keys)
    per_step = _GLANCE_PER_STEP_CRASHED if len(encoded.steps.crash_of) else _GLANCE_PER_STEP
    glance = msgspec.structs.replace(budget, steps_max=min(_GLANCE_MIN, budget.steps_max))
    state = _State(encoded, count)
    glanced = search_keys(encoded, glance, range(count), gain=per_step, steps_most=budget.steps_max)
    state.add(glanced, np.arange(count))
    for key in np.flatnonzero(state.valid < 0).tolist():
        if state.steps[key] < budget.steps_max and not encoded.lists:
            _sweep(calls, key, model, budget, state)
    hard = np.flatnonzero((state.valid < 0) & (state.steps < budget.steps_max))
    if len(hard):
        left = int(budget.steps_max - state.steps[hard].min())
        rest = msgspec.structs.replace(budget, steps_max=left)
        state.add(search_keys(encoded, rest, hard.tolist()), hard)
    illegal = np.flatnonzero((state.valid == 0) & ~state.proven)
    if len(illegal):
        again = search_keys(encoded, budget, illegal.tolist(), _CONFIRMING)
        other = illegal[again.ended[illegal] != ILLEGAL]
        state.valid[other] = np.where(again.ended[other] == LEGAL, 1, -1)
        state.orders |= _orders(encoded, again, other[again.ended[other] == LEGAL])
    nothing = np.zeros(0, dtype=np.int64)
    return KeyFound(
        keys=keys,
        valid=state.valid,
        steps=state.steps,
        explained=state.explained,
        orders=[state.orders.get(key, nothing) for key in range(count)],
    )


class _State:
    """What is known of each key, one judge after the other."""

    def __init__(self, encoded: Encoded, count: int) -> None:
        self._encoded = encoded
        self.valid = np.full(count, -1, dtype=np.int64)
        self.steps = np.zeros(count, dtype=np.int64)
        self.explained = np.zeros(count, dtype=np.int64)
        self.proven = np.zeros(count, dtype=np.bool_)
        """Keys whose illegal verdict rests on no hash."""
        self.orders: dict[int, Column] = {}

    def add(self, found: Any, which: Column) -> None:
        """Take over what a compiled search found of the keys `which`."""
        from harness.checkers.linearizable.kernel import ILLEGAL, LEGAL  # noqa: PLC0415

        ended = found.ended[which]
        self.valid[which] = np.where(ended == LEGAL, 1, np.where(ended == ILLEGAL, 0, -1))
        self.steps[which] += found.steps[which]
        self.explained[which] = np.maximum(self.explained[which], found.length[which])
        self.orders |= _orders(self._encoded, found, which[ended == LEGAL])


def _sweep(calls: Calls, key: int, model: str, budget: Budget, state: _State) -> None:
    """Let a sweep try what a short search could not settle."""
    from harness.checkers.linearizable.by_sweep import WIDE_BREADTHS, sweep_key  # noqa: PLC0415

    rows = np.flatnonzero(calls.key == key)
    alone = msgspec.structs.replace(calls.select(rows), key=np.zeros(len(rows), dtype=np.int64))
    left = msgspec.structs.replace(budget, steps_max=int(budget.steps_max - state.steps[key]))
    _accept(state, key, rows, sweep_key(alone, model, left))
    left = msgspec.structs.replace(budget, steps_max=int(budget.steps_max - state.steps[key]))
    half = left.steps_max // 2
    if state.valid[key] < 0 and left.steps_max >= _WIDE_MIN and WIDE_BREADTHS:
        _accept(state, key, rows, sweep_key(alone, model, left, WIDE_BREADTHS, half))


def _accept(state: _State, key: int, rows: Column, swept: Any) -> None:
    """Take over what a sweep found of the rows of a key."""
    state.steps[key] += swept.steps
    state.explained[key] = max(state.explained[key], swept.explained)
    if swept.valid != "unknown":
        state.valid[key] = int(swept.valid)
        state.proven[key] = True
        state.orders[key] = rows[swept.order]


def _orders(encoded: Encoded, found: Any, keys: Column) -> dict[int, Column]:
    begin = encoded.steps.order_begin
    return {
        key: encoded.rows[found.order[begin[key] : begin[key] + found.length[key]]]
        for key in keys.tolist()
    }
