"""How operations become steps of one small state, for the compiled search: register, cas-register, kv, mutex.

A step may *need* a state and may *lead* to one. The state of a register is its value; that of a mutex, free or who holds it; that of a
key-value store, the list there. Of lists only those matter that some read saw, and their beginnings: they are numbered as
the nodes of a tree, and every other list is one state more, the *sink*, which nobody needs. An append leads from node to node
by the edges of its value, and from anywhere else into the sink; one whose value nobody saw leads into it always.

All is numbered densely over all keys, state k being the one in which key k begins. What changes nothing and crashed is no
step. Definite steps stand by key and call; crashed ones by key, *class* (what a step needs and leads to) and call.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Column, Kind
from harness.checkers.linearizable.stages import dense

__all__ = ["NOTHING", "Encoded", "Steps", "encode"]

NOTHING = -1
"""No state needed, no state led to, no value appended."""


class Steps(NamedTuple):
    """The columns of a search, one line per key, definite step, crashed class, crashed step, or edge, in this order."""

    begin: Any
    """Key -> its first definite step (and one more line)."""
    crash_begin: Any
    """Key -> its first crashed class."""
    order_begin: Any
    """Key -> where its steps begin when definite and crashed ones are counted together."""
    called: Any
    returned: Any
    need: Any
    lead: Any
    append: Any
    step_class: Any
    class_begin: Any
    """Crashed class -> its first crashed step."""
    crash_need: Any
    crash_lead: Any
    crash_append: Any
    crash_step_class: Any
    crash_called: Any
    crash_of: Any
    """Crashed step -> its crashed class."""
    edge_begin: Any
    """Appended value -> its first edge."""
    edge_from: Any
    edge_to: Any
    mark: Any
    """Two random numbers of each step, definite and then crashed, for the hash of what is taken."""
    other_mark: Any


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """Steps, the row of each (definite and then crashed), and how much there is of everything."""

    steps: Steps
    rows: Column
    keys: int
    states: int
    classes: int
    lists: bool
    """Whether states are lists, so that the sink is a state: the last."""


class _Moves(msgspec.Struct):
    """What each row needs and leads to, and the edges of appended values."""

    need: Column
    lead: Column
    append: Column
    states: int
    edges: list[tuple[int, int, int]]
    """(value, from, to)"""
    lists: bool = False


def encode(calls: Calls, model: str) -> Encoded:
    """Encode all keys of `calls`."""
    moves = _MOVES[model](calls)
    definite = calls.returned < INFINITY
    changes = (moves.lead >= 0) | (moves.append >= 0)
    width = moves.states + 2
    breadth = width + int(moves.append.max(initial=0)) + 2
    target = np.where(moves.append >= 0, width + moves.append, moves.lead + 1)
    found, step_class = np.unique((moves.need + 1) * breadth + target, return_inverse=True)
    by_key = np.argsort(calls.key, kind="stable")
    first = by_key[definite[by_key]]
    open_ended = np.flatnonzero(~definite & changes)
    last = open_ended[np.lexsort((calls.called[open_ended], step_class[open_ended],
                                  calls.key[open_ended]))]  # fmt: skip
    return Encoded(
        steps=_columns(calls, moves, step_class.astype(np.int64), first, last),
        rows=np.concatenate([first, last]),
        keys=calls.keys,
        states=moves.states,
        classes=len(found),
        lists=moves.lists,
    )


def _columns(calls: Calls, moves: _Moves, step_class: Column, first: Column, last: Column) -> Steps:
    lines = np.arange(calls.keys + 1)
    key, crash_key = calls.key[first], calls.key[last]
    new = np.ones(len(last), dtype=np.bool_)
    new[1:] = (np.diff(crash_key) != 0) | (np.diff(step_class[last]) != 0)
    heads = np.flatnonzero(new)
    begin = np.searchsorted(key, lines)
    edges = np.array(sorted(moves.edges), dtype=np.int64).reshape(-1, 3)
    values = np.arange(int(moves.append.max(initial=-1)) + 2)
    count = len(first) + len(last)
    return Steps(
        begin=begin,
        crash_begin=np.searchsorted(crash_key[heads], lines),
        order_begin=begin + np.searchsorted(crash_key, lines),
        called=calls.called[first],
        returned=calls.returned[first],
        need=moves.need[first],
        lead=moves.lead[first],
        append=moves.append[first],
        step_class=step_class[first],
        class_begin=np.append(heads, len(last)),
        crash_need=moves.need[last[heads]],
        crash_lead=moves.lead[last[heads]],
        crash_append=moves.append[last[heads]],
        crash_step_class=step_class[last[heads]],
        crash_called=calls.called[last],
        crash_of=np.cumsum(new) - 1,
        edge_begin=np.searchsorted(edges[:, 0], values),
        edge_from=edges[:, 1].copy(),
        edge_to=edges[:, 2].copy(),
        mark=marks(count, 1),
        other_mark=marks(count, 2),
    )


def marks(count: int, series: int) -> Column:
    """Return `count` numbers that look random (splitmix64), the same ones every time; each `series` is another."""
    z = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(series << 48)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))).view(np.int64)


def _register(calls: Calls) -> _Moves:
    kind = calls.kind
    cas = kind == Kind.CAS
    (code, code_to), states = dense(calls.key, calls.value, calls.value_to)
    need = np.where(kind == Kind.WRITE, NOTHING, code)
    lead = np.where(kind == Kind.WRITE, code, np.where(cas & (code != code_to), code_to, NOTHING))
    return _Moves(need, lead, np.full(len(calls), NOTHING), states, [])


def _mutex(calls: Calls) -> _Moves:
    (held,), states = dense(calls.key, calls.value + 1)
    acquires = calls.kind == Kind.ACQUIRE
    need, lead = np.where(acquires, calls.key, held), np.where(acquires, held, calls.key)
    return _Moves(need, lead, np.full(len(calls), NOTHING), states, [])


def _kv(calls: Calls) -> _Moves:
    kind, definite = calls.kind, calls.returned < INFINITY
    if not np.isin(kind, (Kind.APPEND, Kind.READ_LIST)).any():
        return _register(calls)
    need, lead, append = (np.full(len(calls), NOTHING) for _ in range(3))
    nodes: dict[tuple[int, int], int] = {}
    keys = calls.keys
    key, value = calls.key.tolist(), calls.value.tolist()
    seeing = (kind == Kind.READ_LIST) | (kind == Kind.READ)
    for row in np.flatnonzero(seeing & definite).tolist():
        node = key[row]
        seen = calls.items_of(row)
        if kind[row] == Kind.READ and value[row] != NIL:
            seen = (value[row],)
        for item in seen:
            node = nodes.setdefault((node, item), keys + len(nodes))
        need[row] = node
    sink = keys + len(nodes)
    for row in np.flatnonzero(kind == Kind.WRITE).tolist():
        lead[row] = nodes.get((key[row], value[row]), sink)
    seen_values = sorted({item for _, item in nodes})
    appends = kind == Kind.APPEND
    seen_later = appends & np.isin(calls.value, np.array(seen_values, dtype=np.int64))
    append[seen_later] = calls.value[seen_later]
    lead[appends & ~seen_later] = sink
    edges = [(item, node, after) for (node, item), after in nodes.items()]
    return _Moves(need, lead, append, sink + 1, edges, lists=True)


_MOVES = {"register": _register, "cas-register": _register, "mutex": _mutex, "kv": _kv}
