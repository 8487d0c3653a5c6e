"""What linearizability is judged against: how the operations of one key become steps of a sequential object.

A model turns operations into `Steps`, columns of small integers, so that the search (`linearizability`) compares
numbers and knows nothing of values. Both models fit one shape: a step may *need* a state (a read, a compare-and-set)
and may *lead* to one (a write, a compare-and-set, an append). A failed operation is no step, nor is an
indeterminate read.

`REGISTER`: read, write, cas; any value, absent is None. `APPEND`: append, read of the whole list; its states are the
lists that some read saw, so an append leads from one seen list to the next and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from harness.operation import Operation

__all__ = ["APPEND", "INFINITY", "MODELS", "NOTHING", "REGISTER", "Call", "Steps"]

NOTHING = -1
"""No state: a step that needs none, or leads to none."""

INFINITY = 1 << 62
"""Return time of an operation that never returned."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """One operation on one key: when it was called and returned (event positions), and what came of it."""

    invoked: Operation
    completed: Operation | None
    called: int
    returned: int
    argument: Any
    result: Any


class Steps(msgspec.Struct):
    """The steps of one key, definite ones in order of their calls, then the indeterminate ones.

    Column `append` holds the dense number of an appended value, `NOTHING` for other steps; `next_list` maps (state,
    number) to the state behind the append. `states` says in words what each state is.
    """

    calls: list[Call]
    definite: int
    called: list[int]
    returned: list[int]
    needs: list[int]
    leads: list[int]
    append: list[int]
    next_list: dict[tuple[int, int], int]
    states: list[str]


Model = Callable[[Sequence[Call]], Steps]


def _frozen(value: Any) -> Any:
    """Return `value` in a form that can be a dictionary key."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return tuple((key, _frozen(item)) for key, item in sorted(value.items()))
    return value


def _ordered(calls: Sequence[Call]) -> tuple[list[Call], int]:
    """Return the calls in the order of `Steps`, and how many are definite."""
    definite = [call for call in calls if call.returned < INFINITY]
    open_ended = [call for call in calls if call.returned == INFINITY and call.invoked.f != "read"]
    return definite + open_ended, len(definite)


def _steps(
    calls: list[Call],
    definite: int,
    moves: Sequence[tuple[int, int, int]],
    next_list: dict[tuple[int, int], int],
    states: list[str],
) -> Steps:
    return Steps(
        calls=calls,
        definite=definite,
        called=[call.called for call in calls],
        returned=[call.returned for call in calls],
        needs=[move[0] for move in moves],
        leads=[move[1] for move in moves],
        append=[move[2] for move in moves],
        next_list=next_list,
        states=states,
    )


def _register(calls: Sequence[Call]) -> Steps:
    ordered, definite = _ordered(calls)
    numbers: dict[Any, int] = {None: 0}

    def number(value: Any) -> int:
        if isinstance(value, list | dict):
            value = _frozen(value)
        return numbers.setdefault(value, len(numbers))

    moves = []
    for call in ordered:
        f = call.invoked.f
        if f == "read":
            moves.append((number(call.result), NOTHING, NOTHING))
        elif f == "write":
            moves.append((NOTHING, number(call.argument), NOTHING))
        else:
            old, new = call.argument
            moves.append((number(old), number(new), NOTHING))
    return _steps(ordered, definite, moves, {}, [repr(value) for value in numbers])


def _append(calls: Sequence[Call]) -> Steps:
    ordered, definite = _ordered(calls)
    values: dict[Any, int] = {}
    next_list: dict[tuple[int, int], int] = {}
    states = ["the empty list"]
    moves = []
    for call in ordered:
        if call.invoked.f == "append":
            value = values.setdefault(_frozen(call.argument), len(values))
            moves.append((NOTHING, NOTHING, value))
            continue
        state = 0
        seen = call.result or []
        for position, item in enumerate(seen):
            value = values.setdefault(_frozen(item), len(values))
            following = next_list.get((state, value))
            if following is None:
                following = next_list[state, value] = len(states)
                states.append(f"a list of {position + 1} that ends in {item!r}")
            state = following
        moves.append((state, NOTHING, NOTHING))
    return _steps(ordered, definite, moves, next_list, states)


REGISTER: Model = _register
APPEND: Model = _append
MODELS: dict[str, Model] = {"register": REGISTER, "append": APPEND}
