"""Verdicts by search, key by key: the compiled one where states are small (`kernel`), the plain one elsewhere (`search`).

An illegal verdict of the compiled search rests on a hash, so it is asked again with other random marks; two mistakes that agree
take a collision in 256 bits.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import Calls, Column
from harness.checkers.linearizable.encoding import Encoded, encode
from harness.checkers.linearizable.search import Budget, search
from harness.checkers.linearizable.sequential import MODELS

__all__ = ["COMPILED_MODELS", "KeyFound", "search_each_key"]

COMPILED_MODELS = ("register", "cas-register", "kv", "mutex")

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
    by = _compiled if model in COMPILED_MODELS else _plain
    return by(alone, keys, model, budget)


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
    found = search_keys(encoded, budget, range(len(keys)))
    illegal = np.flatnonzero(found.ended == ILLEGAL)
    valid = np.where(found.ended == LEGAL, 1, np.where(found.ended == ILLEGAL, 0, -1))
    orders = _orders(encoded, found, np.flatnonzero(valid == 1))
    if len(illegal):
        again = search_keys(encoded, budget, illegal.tolist(), _CONFIRMING)
        other = again.ended[illegal] != ILLEGAL
        valid[illegal[other]] = np.where(again.ended[illegal[other]] == LEGAL, 1, -1)
        orders |= _orders(encoded, again, np.flatnonzero(again.ended == LEGAL))
    nothing = np.zeros(0, dtype=np.int64)
    return KeyFound(
        keys=keys,
        valid=valid,
        steps=found.steps,
        explained=found.length,
        orders=[orders.get(key, nothing) for key in range(len(keys))],
    )


def _orders(encoded: Encoded, found: Any, keys: Column) -> dict[int, Column]:
    begin = encoded.steps.order_begin
    return {
        key: encoded.rows[found.order[begin[key] : begin[key] + found.length[key]]]
        for key in keys.tolist()
    }
