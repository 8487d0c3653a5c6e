"""The models as objects that do one operation after another, in plain Python: what "correct" means, and nothing else.

A model has an initial state and a step: (state, action) -> the state behind it, or `IMPOSSIBLE` when the action cannot have
had its result there. States are hashable. Nothing here is fast or knows of time; monitors never ask it, so that the
verifier and the tests, which do, are independent of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Kind

__all__ = ["IMPOSSIBLE", "MODELS", "Action", "Model", "State", "actions"]

IMPOSSIBLE = object()
"""The state behind an action that fits nowhere."""

State = Any


class Action(msgspec.Struct, frozen=True):
    """What one operation did; `known` says whether it returned, so that its result is known."""

    kind: Kind
    value: int
    value_to: int
    items: tuple[int, ...]
    known: bool


class Model(msgspec.Struct, frozen=True):
    """A sequential object: the state it begins in, the kinds it understands, and its step."""

    initial: State
    kinds: tuple[Kind, ...]
    step: Callable[[State, Action], State]


def _register(state: State, action: Action) -> State:
    kind = action.kind
    if kind == Kind.WRITE:
        return action.value
    if kind == Kind.CAS:
        return action.value_to if state == action.value else IMPOSSIBLE
    if kind == Kind.CAS_REFUSED:
        return state if state != action.value else IMPOSSIBLE
    return state if state == action.value or not action.known else IMPOSSIBLE


def _kv(state: State, action: Action) -> State:
    kind = action.kind
    if kind == Kind.WRITE:
        return (action.value,)
    if kind == Kind.APPEND:
        return (*state, action.value)
    seen = action.items
    if kind == Kind.READ:
        seen = () if action.value == NIL else (action.value,)
    return state if state == seen or not action.known else IMPOSSIBLE


def _many(state: State, action: Action) -> State:
    registers = dict(state)
    if action.kind == Kind.TXN_MANY:
        for puts, register, value in zip(*[iter(action.items)] * 3, strict=True):
            if puts:
                registers[register] = value
            elif action.known and registers.get(register, NIL) != value:
                return IMPOSSIBLE
        return tuple(sorted(registers.items()))
    pairs = list(zip(action.items[::2], action.items[1::2], strict=True))
    if action.kind == Kind.WRITE_MANY:
        registers.update(pairs)
        return tuple(sorted(registers.items()))
    fits = all(registers.get(register, NIL) == value for register, value in pairs)
    return state if fits or not action.known else IMPOSSIBLE


def _set(state: State, action: Action) -> State:
    if action.kind == Kind.ADD:
        return state | {action.value}
    fits = sorted(state) == sorted(action.items)
    return state if fits or not action.known else IMPOSSIBLE


def _counter(state: State, action: Action) -> State:
    if action.kind == Kind.ADD:
        return state + action.value
    return state if state == action.value or not action.known else IMPOSSIBLE


def _removal(place: int) -> Callable[[State, Action], State]:
    """Return the step of a container that hands out what stands at `place`."""

    def step(state: State, action: Action) -> State:
        if action.kind == Kind.INSERT:
            return (*state, action.value)
        if not action.known:
            return state[1:] if place == 0 else state[:-1]
        if not state or action.value == NIL:
            return state if not state and action.value == NIL else IMPOSSIBLE
        if state[place] != action.value:
            return IMPOSSIBLE
        return state[1:] if place == 0 else state[:-1]

    return step


def _bag(state: State, action: Action) -> State:
    """One that hands out what it likes; the state also counts crashed removals that have taken nothing yet.

    Such a one need not take anything before a removal finds nothing, and then all that is left must have been taken.
    """
    inside, spare = state
    if action.kind == Kind.INSERT:
        return tuple(sorted((*inside, action.value))), spare
    if not action.known:
        return inside, spare + 1
    if action.value == NIL:
        return IMPOSSIBLE if len(inside) > spare else ((), spare - len(inside))
    if action.value not in inside:
        return IMPOSSIBLE
    place = inside.index(action.value)
    return inside[:place] + inside[place + 1 :], spare


_UNHELD = -1
"""State of a lock that nobody holds; otherwise it is who does."""


def _mutex(state: State, action: Action) -> State:
    if action.kind == Kind.ACQUIRE:
        return action.value if state == _UNHELD else IMPOSSIBLE
    return _UNHELD if state == action.value else IMPOSSIBLE


_CONTAINER = (Kind.INSERT, Kind.REMOVE)

MODELS = {
    "register": Model(NIL, (Kind.READ, Kind.WRITE), _register),
    "cas-register": Model(NIL, (Kind.READ, Kind.WRITE, Kind.CAS), _register),
    "refusing-register": Model(NIL, (Kind.READ, Kind.WRITE, Kind.CAS, Kind.CAS_REFUSED), _register),
    "kv": Model((), (Kind.READ, Kind.READ_LIST, Kind.WRITE, Kind.APPEND), _kv),
    "multi-register": Model((), (Kind.READ_MANY, Kind.WRITE_MANY, Kind.TXN_MANY), _many),
    "set": Model(frozenset(), (Kind.ADD, Kind.READ_LIST), _set),
    "counter": Model(0, (Kind.ADD, Kind.READ), _counter),
    "queue": Model((), _CONTAINER, _removal(0)),
    "stack": Model((), _CONTAINER, _removal(-1)),
    "unordered-queue": Model(((), 0), _CONTAINER, _bag),
    "mutex": Model(_UNHELD, (Kind.ACQUIRE, Kind.RELEASE), _mutex),
}


def actions(calls: Calls) -> list[Action]:
    """Return the rows as actions."""
    rows = zip(
        calls.kind.tolist(),
        calls.value.tolist(),
        calls.value_to.tolist(),
        calls.returned.tolist(),
        strict=True,
    )
    return [
        Action(Kind(kind), value, value_to, calls.items_of(row), returned < INFINITY)
        for row, (kind, value, value_to, returned) in enumerate(rows)
    ]
