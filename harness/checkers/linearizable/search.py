"""A search for an order of one key's operations, for any model: Wing & Gong's, with Lowe's memory of configurations.

Take an operation whose call precedes every return still missing and whose result the state allows, go on, come back
when stuck, never enter the same configuration (state, operations taken) twice. Three observations cost no order:

* what changes nothing and fits is taken at once and never undone;
* of several operations that do the same, the one that returns first goes first;
* a crashed operation comes last, and one that only sees something never.

Nothing is hashed away: an illegal verdict is a proof. `kernel` does the same at compiled speed where states are
small numbers; here a state is whatever the model says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from harness.checkers.linearizable.calls import INFINITY, Calls, Kind
from harness.checkers.linearizable.sequential import IMPOSSIBLE, Action, Model, State, actions

__all__ = ["SEES_ONLY", "Budget", "Found", "search"]

SEES_ONLY = frozenset({Kind.READ, Kind.READ_LIST, Kind.READ_MANY, Kind.CAS_REFUSED})
"""Kinds that change nothing."""


class Budget(msgspec.Struct, frozen=True):
    """What a search may use before it says ``"unknown"``: steps tried, configurations remembered, memory of these and of a sweep."""

    steps_max: int = 20_000_000
    remembered_max: int = 4_000_000
    remembered_bytes_max: int = 1 << 30
    sweep_bytes_max: int = 1 << 30


_CONFIGURATION_BYTES, _ITEM_BYTES = 600, 32
"""What a configuration takes on the stack and in memory, about, and each item of its state: more for sets than for tuples."""


def _bytes_of(state: State) -> int:
    """Return about how much memory a state takes, whose only large part may stand in front."""
    if isinstance(state, tuple) and state and isinstance(state[0], tuple):
        state = state[0]
    return _ITEM_BYTES * len(state) if isinstance(state, tuple | frozenset) else _ITEM_BYTES


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found. `order` explains the history when it is valid, else it is the longest explanation found.

    `stuck` are rows that had to come next there. ``"unknown"`` means that the budget ran out.
    """

    valid: bool | Literal["unknown"]
    steps: int
    order: tuple[int, ...] = ()
    stuck: tuple[int, ...] = ()


class _Place(msgspec.Struct):
    """Where a search stands: all definite rows below `low` are taken, and those in `window` (a bit for each from `low` on).

    `crashed` has a bit for each crashed row taken.
    """

    state: State
    low: int
    window: int
    crashed: int

    def configuration(self) -> tuple[State, int, int, int]:
        return self.state, self.low, self.window, self.crashed


class _Search:
    def __init__(self, calls: Calls, model: Model) -> None:
        did = actions(calls)
        called, returned = calls.called.tolist(), calls.returned.tolist()
        definite = [row for row, end in enumerate(returned) if end < INFINITY]
        crashed = [
            row
            for row, end in enumerate(returned)
            if end >= INFINITY and did[row].kind not in SEES_ONLY
        ]
        self._rows = definite + crashed
        """Row of each step; steps are definite ones in order of their calls, then crashed ones."""
        self._definite = len(definite)
        self._step = model.step
        self._initial = model.initial
        self._did: list[Action] = [did[row] for row in self._rows]
        self._called: list[int] = [called[row] for row in self._rows]
        self._returned: list[int] = [returned[row] for row in self._rows]
        self._path: list[int] = []

    def run(self, budget: Budget) -> Found:
        """Search; may be called once."""
        place = _Place(self._initial, 0, 0, 0)
        bound, ready = self._settle(place)
        best, stuck = list(self._path), ready
        seen = {place.configuration()}
        stack = [(place, 0, self._branches(place, bound, ready))]
        steps = taken_bytes = 0
        while stack:
            place, length, branches = stack[-1]
            if place.low == self._definite:
                return Found(valid=True, steps=steps, order=self._as_rows(self._path))
            after = next(branches, None)
            if after is None:
                stack.pop()
                del self._path[length:]
                continue
            steps += 1
            if (
                steps > budget.steps_max
                or len(seen) > budget.remembered_max
                or taken_bytes > budget.remembered_bytes_max
            ):
                return self._ended("unknown", steps, best, stuck)
            step, place = after
            length = len(self._path)
            self._path.append(step)
            bound, ready = self._settle(place)
            configuration = place.configuration()
            if configuration in seen:
                del self._path[length:]
                continue
            seen.add(configuration)
            taken_bytes += _CONFIGURATION_BYTES + _bytes_of(place.state)
            if len(self._path) > len(best):
                best, stuck = list(self._path), ready
            stack.append((place, length, self._branches(place, bound, ready)))
        return self._ended(False, steps, best, stuck)

    def _ended(
        self, valid: Literal[False, "unknown"], steps: int, best: list[int], stuck: list[int]
    ) -> Found:
        return Found(
            valid=valid, steps=steps, order=self._as_rows(best), stuck=self._as_rows(stuck)
        )

    def _as_rows(self, steps: list[int]) -> tuple[int, ...]:
        return tuple(self._rows[step] for step in steps)

    def _settle(self, place: _Place) -> tuple[int, list[int]]:
        """Take what fits and changes nothing; returns the earliest return left, and the definite steps that may come next."""
        while True:
            bound, ready, took = INFINITY, [], False
            step, bit = place.low, 1
            while step < self._definite and self._called[step] < bound:
                if not place.window & bit:
                    action = self._did[step]
                    if (
                        action.kind in SEES_ONLY
                        and self._step(place.state, action) is not IMPOSSIBLE
                    ):
                        place.window |= bit
                        self._path.append(step)
                        took = True
                    else:
                        ready.append(step)
                        bound = min(bound, self._returned[step])
                step += 1
                bit <<= 1
            if not took:
                break
        done = (~place.window & (place.window + 1)).bit_length() - 1
        place.low += done
        place.window >>= done
        return bound, ready

    def _branches(
        self, place: _Place, bound: int, ready: list[int]
    ) -> Iterator[tuple[int, _Place]]:
        """Yield the steps worth trying, in order of their returns, with the place behind each."""
        tried = set()
        for step in sorted(ready, key=self._returned.__getitem__):
            action = self._did[step]
            if action in tried:
                continue
            tried.add(action)
            state = self._step(place.state, action)
            if state is not IMPOSSIBLE:
                window = place.window | 1 << (step - place.low)
                yield step, _Place(state, place.low, window, place.crashed)
        for step in range(self._definite, len(self._rows)):
            if self._called[step] > bound:
                break
            bit = 1 << (step - self._definite)
            action = self._did[step]
            if place.crashed & bit or action in tried:
                continue
            tried.add(action)
            state = self._step(place.state, action)
            if state is not IMPOSSIBLE and state != place.state:
                yield step, _Place(state, place.low, place.window, place.crashed | bit)


def search(calls: Calls, model: Model, budget: Budget) -> Found:
    """Search for an order of `calls`, which must all be of one key."""
    return _Search(calls, model).run(budget)
