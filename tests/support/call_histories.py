"""Random histories as columns, and their verdict by trying every order: what monitors and searches are compared with.

A history is a list of rows (called, returned, kind, value, value_to, items). It is made by doing operations one after another
at points inside their intervals, so that it is linearizable; some operations crash, and `spoiled` changes a result
or two, after which it may be linearizable or not. `joined` makes each history a key of one set of columns.
"""

import itertools
from collections.abc import Sequence

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Kind
from harness.checkers.linearizable.segments import from_every_state
from harness.checkers.linearizable.sequential import IMPOSSIBLE, MODELS, Action
from harness.checkers.linearizable.vectors import touched

CRASHED = 0.15
SPOILED = 0.6
VALUES_REPEATED = 3
REGISTERS = 2


def _intervals(rng, count):
    """Yield (called, point, returned) in the order of the points, positions being ranks."""
    slots = list(range(3 * count))
    rng.shuffle(slots)
    width = rng.choice([4, 8, 3 * count])
    triples = []
    for number in range(count):
        begin = rng.randrange(3 * count)
        triples.append(
            sorted((begin + rng.random() * width, slots[3 * number + k] * 1e-9) for k in range(3))
        )
    return sorted(triples, key=lambda triple: triple[1])


def _drawn(rng, model, state, number, unique):
    """An action for the model that fits `state`, and its result where it has one."""
    value = number + 1 if unique else rng.randint(1, VALUES_REPEATED)
    kind = rng.choice(MODELS[model].kinds)
    if kind == Kind.CAS:
        if rng.random() < 0.8 or state == NIL:
            return Kind.CAS, state, value, ()
        return Kind.WRITE, value, NIL, ()
    if kind == Kind.READ:
        if model == "kv":
            return (
                (Kind.READ, state[0] if state else NIL, NIL, ())
                if len(state) < 2
                else (Kind.READ_LIST, NIL, NIL, state)
            )
        return kind, state, NIL, ()
    if kind == Kind.READ_LIST:
        return kind, NIL, NIL, tuple(sorted(state)) if model == "set" else state
    if kind == Kind.REMOVE:
        state = state[0] if model == "unordered-queue" else state
        if not state:
            return kind, NIL, NIL, ()
        return kind, state[-1 if model == "stack" else 0], NIL, ()
    if kind in (Kind.READ_MANY, Kind.WRITE_MANY):
        chosen = sorted(rng.sample(range(REGISTERS), rng.randint(1, REGISTERS)))
        known = dict(state)
        items = []
        for register in chosen:
            read = kind == Kind.READ_MANY
            items += [register, known.get(register, NIL) if read else rng.randint(1, 2)]
        return kind, NIL, NIL, tuple(items)
    if model == "mutex":
        value = NIL if unique else state if kind == Kind.RELEASE else rng.randint(1, 2)
    if model == "counter":
        value = 1 if unique else rng.choice([-1, 1, 2])
    return kind, value, NIL, ()


def history(rng, model, count, unique):
    """A linearizable history of `count` operations; with `unique` no value is written twice."""
    state = MODELS[model].initial
    rows = []
    for number, (called, _, returned) in enumerate(_intervals(rng, count)):
        crashed = rng.random() < CRASHED
        kind, value, value_to, items = _drawn(rng, model, state, number, unique)
        action = Action(kind, value, value_to, items, not crashed)
        if not crashed or rng.random() < 0.5:
            after = MODELS[model].step(state, action)
            if after is IMPOSSIBLE:
                continue
            state = after
        rows.append(
            [called, (float("inf"),) if crashed else returned, kind, value, value_to, items]
        )
    return _ranked(rows)


def _ranked(rows):
    positions = sorted({place for row in rows for place in (tuple(row[0]), tuple(row[1]))})
    rank = {place: number for number, place in enumerate(positions)}
    ranked = [
        [rank[tuple(row[0])], INFINITY if len(row[1]) == 1 else rank[tuple(row[1])], *row[2:]]
        for row in rows
    ]
    return sorted(ranked)


RESULTS = {
    Kind.READ: 3,
    Kind.CAS: 3,
    Kind.REMOVE: 3,
    Kind.READ_LIST: 5,
    Kind.READ_MANY: 5,
}
"""Kind -> which column of a row says what was seen."""


def spoiled(rng, rows, model):
    """The history with a few results exchanged or changed; often not linearizable any more."""
    rows = [list(row) for row in rows]
    if model == "mutex" and rows:
        row = rng.choice(rows)
        row[2] = Kind.RELEASE if row[2] == Kind.ACQUIRE else Kind.ACQUIRE
    seeing = [row for row in rows if row[2] in RESULTS and row[1] < INFINITY]
    for _ in range(rng.randint(1, 2)):
        if not seeing:
            return rows
        row = rng.choice(seeing)
        column = RESULTS[row[2]]
        alike = [other for other in seeing if other[2] == row[2] and other is not row]
        if alike and rng.random() < 0.7:
            other = rng.choice(alike)
            row[column], other[column] = other[column], row[column]
        elif column == 3:
            row[3] = rng.randint(0, max(len(rows), 2))
        elif row[5]:
            gone = rng.randrange(len(row[5]))
            changed = () if model != "multi-register" else (rng.randint(0, 2),)
            gone |= len(changed)
            row[5] = row[5][:gone] + changed + row[5][gone + 1 :]
    return rows


def drawn(rng, model, count, unique):
    """A history, spoiled or not."""
    rows = history(rng, model, count, unique)
    return spoiled(rng, rows, model) if rng.random() < SPOILED else rows


def joined(histories: Sequence[list]) -> Calls:
    """One set of columns in which each history is a key; positions of the histories interleave."""
    rows = sorted([row[0], key, *row[1:]] for key, rows in enumerate(histories) for row in rows)
    many = len(histories)
    called, key, returned, kind, value, value_to = (
        np.array([row[column] for row in rows], dtype=np.int64) for column in range(6)
    )
    sizes = [len(row[6]) for row in rows]
    return Calls(
        called=called * many + key,
        returned=np.where(
            returned < INFINITY, np.minimum(returned, 1 << 40) * many + key, INFINITY
        ),
        key=key,
        kind=kind,
        value=value,
        value_to=value_to,
        begin=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
        items=np.array([item for row in rows for item in row[6]], dtype=np.int64),
    )


def brute_force(rows, model) -> bool:
    """Whether some order explains the history: tries them all, remembering what was tried."""
    object_model = MODELS[model]
    did = [Action(Kind(row[2]), row[3], row[4], row[5], row[1] < INFINITY) for row in rows]
    definite = sum(1 << number for number, row in enumerate(rows) if row[1] < INFINITY)
    seen = set()

    def explained(taken, state):
        if taken & definite == definite:
            return True
        if (taken, state) in seen:
            return False
        seen.add((taken, state))
        left = [number for number in range(len(rows)) if not taken >> number & 1]
        bound = min(rows[number][1] for number in left)
        for number in left:
            if rows[number][0] < bound:
                after = object_model.step(state, did[number])
                if after is not IMPOSSIBLE and explained(taken | 1 << number, after):
                    return True
        return False

    return explained(0, object_model.initial)


def window_from_any_state(calls: Calls, window: Sequence[int], model: str) -> list[Calls]:
    """The rows of a window, each time behind an operation that makes a state the object could have been in before them."""
    kept = calls.select(np.array(window, dtype=np.int64))
    if model != "multi-register":
        return from_every_state(kept, model)
    row, register, value, puts = touched(calls)
    first_end = kept.returned.min(initial=INFINITY)
    before = (puts == 1) & ~np.isin(row, window) & (calls.called[row] < first_end)
    choices = [
        [(number, held) for held in {NIL, *value[before & (register == number)].tolist()}]
        for number in sorted(set(register.tolist()))
    ]
    return [_behind_puts(kept, held) for held in itertools.product(*choices)]


def _behind_puts(calls: Calls, held: Sequence[tuple[int, int]]) -> Calls:
    puts = [(1, register, value) for register, value in held if value != NIL]
    front = {"called": 0, "returned": 1, "key": 0, "kind": Kind.TXN_MANY, "value": 0, "value_to": 0}
    later = msgspec.structs.replace(
        calls,
        called=calls.called + 2,
        returned=np.where(calls.returned < INFINITY, calls.returned + 2, INFINITY),
    )
    return Calls(
        **{name: np.append(number, getattr(later, name)) for name, number in front.items()},
        begin=np.append(0, calls.begin + 3 * len(puts)),
        items=np.append(np.array(puts, dtype=np.int64).reshape(-1), calls.items),
    )
