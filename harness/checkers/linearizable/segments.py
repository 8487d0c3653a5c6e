"""A stretch of a history judged for itself, whatever came before it: what makes windows small, and convicts where a search is lost.

A *segment* begins at some position, its cut. What returned before the cut is gone, and the object may be in any state
there. What was open at the cut may have taken effect before it, so of it only changes stay, and they may happen or not, like
those of crashed operations. All that only allows more: a segment that no order explains from any state convicts its history.

Rows may leave a segment as long as nobody who stays can have seen what they did (`Sight`): an order of everything, with
them taken out, is then an order of the rest.
"""

from __future__ import annotations

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Column, Flags, Kind

__all__ = ["SEGMENTED_MODELS", "Sight", "from_every_state", "joined", "segment", "until"]

SEGMENTED_MODELS = ("register", "cas-register", "refusing-register", "mutex")
"""Models whose every state one operation can make."""

_NOTHING, _FREE = -1, 0
_BEFORE = 2
"""Positions of the operation that makes the state in which a segment begins."""


class _Moves(msgspec.Struct):
    """What each row needs, the state that it refuses, and the state that it leads to; `_NOTHING` where none."""

    need: Column
    refuse: Column
    lead: Column


def _moves(calls: Calls, model: str) -> _Moves:
    kind, nothing = calls.kind, np.full(len(calls), _NOTHING)
    if model == "mutex":
        acquires = kind == Kind.ACQUIRE
        owner = calls.value + 1
        return _Moves(np.where(acquires, _FREE, owner), nothing, np.where(acquires, owner, _FREE))
    needs = (kind == Kind.READ) | (kind == Kind.CAS)
    refuses = kind == Kind.CAS_REFUSED
    return _Moves(
        np.where(needs, calls.value, _NOTHING),
        np.where(refuses, calls.value, _NOTHING),
        np.where(
            kind == Kind.WRITE, calls.value, np.where(kind == Kind.CAS, calls.value_to, _NOTHING)
        ),
    )


class Sight:
    """Which rows of one key can have seen which, by time and by what certainly happened in between."""

    def __init__(self, calls: Calls, model: str) -> None:
        moves = _moves(calls, model)
        need, refuse, lead = (
            numbers[:, np.newaxis] for numbers in (moves.need, moves.refuse, moves.lead)
        )
        changes = moves.lead >= 0
        fits = (need == lead.T) & (need >= 0) | (refuse != lead.T) & (refuse >= 0)
        fits &= changes
        called, returned = calls.called, calls.returned
        hides = changes & ~fits & (returned < called[:, np.newaxis])
        hidden_before = np.where(hides, called, -1).max(axis=1, initial=-1)
        self._sees: Flags = (
            fits & (called < returned[:, np.newaxis]) & (returned >= hidden_before[:, np.newaxis])
        )

    def closed(self, kept: Column) -> Column:
        """Return `kept` and every row that one of them can have seen, that one of those can have seen, and so on."""
        inside = np.zeros(len(self._sees), dtype=np.bool_)
        new = kept
        while len(new):
            inside[new] = True
            new = np.flatnonzero(self._sees[new].any(axis=0) & ~inside)
        return np.flatnonzero(inside)


def until(calls: Calls, position: int) -> Calls:
    """Return the history as it was at `position`."""
    begun = calls.select(np.flatnonzero(calls.called <= position))
    returned = np.where(begun.returned <= position, begun.returned, INFINITY)
    return msgspec.structs.replace(begun, returned=returned)


def segment(calls: Calls, model: str, cut: int) -> tuple[Column, Calls]:
    """Return the rows of one key's segment that begins at position `cut`, and the segment: what was open there may happen or not."""
    crossing = calls.called < cut
    changes = _moves(calls, model).lead >= 0
    definite = calls.returned < INFINITY
    rows = np.flatnonzero((calls.returned >= cut) & np.where(crossing | ~definite, changes, True))
    inside = calls.select(rows)
    returned = np.where(crossing[rows], INFINITY, inside.returned)
    inside = msgspec.structs.replace(inside, returned=returned)
    seen = _seen(inside, model)
    return rows[seen], inside.select(seen)


def _seen(calls: Calls, model: str) -> Column:
    """Return the rows but for those that may have happened and lead to what nobody sees."""
    moves = _moves(calls, model)
    if (moves.refuse >= 0).any():
        return np.arange(len(calls))
    kept = calls.returned < INFINITY
    count = -1
    while count != kept.sum():
        count = int(kept.sum())
        kept |= (moves.lead >= 0) & np.isin(moves.lead, moves.need[kept & (moves.need >= 0)])
    return np.flatnonzero(kept)


def from_every_state(calls: Calls, model: str) -> list[Calls]:
    """Return a segment once for each state that it tells from others, each with an operation in front that makes that state."""
    moves = _moves(calls, model)
    known = np.unique(np.concatenate([moves.need, moves.refuse, moves.lead]))
    states = [int(state) for state in known if state >= 0]
    kind, first = Kind.WRITE, [NIL, *states, max(states, default=NIL) + 1]
    if model == "mutex":
        kind, first = Kind.ACQUIRE, [state - 1 for state in states if state != _FREE]
        first.append(max(first, default=NIL) + 1)
    found = [_behind(calls, kind, value) for value in dict.fromkeys(first)]
    return found + [_shifted(calls)] * (model == "mutex")


def _shifted(calls: Calls) -> Calls:
    returned = np.where(calls.returned < INFINITY, calls.returned + _BEFORE, INFINITY)
    return msgspec.structs.replace(calls, called=calls.called + _BEFORE, returned=returned)


def _behind(calls: Calls, kind: Kind, value: int) -> Calls:
    """Return the rows with an operation in front of all of them."""
    later = _shifted(calls)
    fixed = {
        "called": 0, "returned": 1, "key": 0, "kind": int(kind), "value": value, "value_to": NIL,
    }  # fmt: skip
    return Calls(
        **{name: np.concatenate([[number], getattr(later, name)]) for name, number in fixed.items()}
    )


def joined(parts: list[Calls]) -> Calls:
    """Return histories of one key each as keys of one."""
    names = ("called", "returned", "kind", "value", "value_to")
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    key = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = np.lexsort((key, columns["called"]))
    return Calls(key=key, **columns).select(order)
