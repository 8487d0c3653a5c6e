"""Cycles that have further names: special cases that a weaker model forbids than their class does.

Some follow from the cycle as it was found (`named`): a write skew, a G-monotonic, a G-cursor. But the shortest cycle of a class need
not be the special one, so where a model could still hold, the special case is looked for on its own (`find_special`):

* G-cursor (Adya 1999): all edges are of one key. Every key is given nodes of its own, and a G-single is looked for;
* G-update (Adya 1999): no two transactions of it only read. Those that only read are left out;
* prefix-cycle: the search of `cycles` with an automaton of its own.

Nothing is looked for where no cycle was suspected, so a valid history pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
import numpy as np

from harness.checkers.transactions.anomalies import Anomaly, Step
from harness.checkers.transactions.components import Suspects
from harness.checkers.transactions.cycles import Found, find_cycles
from harness.checkers.transactions.graph import FAN, RW, WR, WW
from harness.checkers.transactions.lattice import ENDINGS, ruled_out
from harness.checkers.transactions.transactions import WRITE, Flags, Transactions
from harness.checkers.transactions.ways import PREFIX_NAMES, order_of

__all__ = ["find_special", "joined", "named"]


def named(cycles: Iterable[Anomaly], transactions: Transactions) -> list[Anomaly]:
    """Return the cycles with the further names that they deserve."""
    writing = _writing(transactions)
    return [_named(cycle, transactions, writing) for cycle in cycles]


def _named(anomaly: Anomaly, transactions: Transactions, writing: Flags) -> Anomaly:
    steps = anomaly.steps
    missed = [number for number, step in enumerate(steps) if step.kind == RW]
    if not missed:
        return anomaly
    order = max(order_of(step.kind) for step in steps)
    also = []
    before = [steps[number - 1] for number in missed]
    if all(step.kind == WR or order_of(step.kind) for step in before):
        also.append(PREFIX_NAMES[0] + ENDINGS[order])
    if not order:
        also += [name for name, fits in _FITS.items() if fits(steps, transactions)]
        also += ["G-update"] * (sum(not writing[step.source] for step in steps) < 2)
    return msgspec.structs.replace(anomaly, also=tuple(n for n in also if n != anomaly.name))


def joined(cycles: Iterable[Anomaly], special: Iterable[Anomaly]) -> list[Anomaly]:
    """Return both without saying the same cycle twice: a special one that was found already is a further name of it."""
    kept = list(cycles)
    numbers = {_way(cycle): number for number, cycle in enumerate(kept)}
    for one in special:
        number = numbers.get(_way(one))
        if number is None:
            kept.append(one)
        elif one.name not in (kept[number].name, *kept[number].also):
            also = (*kept[number].also, one.name)
            kept[number] = msgspec.structs.replace(kept[number], also=also)
    return kept


def _way(cycle: Anomaly) -> tuple[tuple[int, int, int], ...]:
    """Return whom the cycle leads through, from its first transaction on, and by what order or missed write."""
    ways = [
        (step.source, step.target, RW if step.kind == RW else -order_of(step.kind))
        for step in cycle.steps
    ]
    lowest = ways.index(min(ways))
    return (*ways[lowest:], *ways[:lowest])


def _keys(steps: Iterable[Step], transactions: Transactions) -> list[int]:
    return [int(transactions.key[step.source_position]) for step in steps]


def _is_write_skew(steps: tuple[Step, ...], transactions: Transactions) -> bool:
    """Two transactions, each of which missed what the other wrote, of different keys."""
    skewed = len(steps) == 2 and all(step.kind == RW for step in steps)
    return skewed and len(set(_keys(steps, transactions))) == 2


def _is_cursor(steps: tuple[Step, ...], transactions: Transactions) -> bool:
    kinds = sorted(step.kind for step in steps)
    alone = kinds == [*[WW] * (len(steps) - 1), RW]
    return alone and len(set(_keys(steps, transactions))) == 1


def _is_monotonic(steps: tuple[Step, ...], _: Transactions) -> bool:
    """Whether the one transaction that missed something had seen what followed from it, in an earlier read."""
    missed = [number for number, step in enumerate(steps) if step.kind == RW]
    before = steps[missed[0] - 1]
    early = before.target_position < steps[missed[0]].source_position
    return len(missed) == 1 and before.kind == WR and early


_FITS: dict[str, Callable[[tuple[Step, ...], Transactions], bool]] = {
    "write-skew": _is_write_skew,
    "G-cursor": _is_cursor,
    "G-monotonic": _is_monotonic,
}
"""Special cases of cycles of the data, and what makes them one."""


def _writing(transactions: Transactions) -> Flags:
    """Whether each transaction writes anything."""
    writing = np.zeros(len(transactions.process), np.bool_)
    writing[transactions.transaction[transactions.f == WRITE]] = True
    return writing


def find_special(
    suspected: Suspects, transactions: Transactions, endings: tuple[str, ...], seen: Iterable[str]
) -> Found:
    """Look for special cases that rule out a model which the anomalies `seen` do not rule out."""
    cycles: list[Anomaly] = []
    complete = True
    known = list(seen)
    for model, ending, look in _LOOKS:
        fallen = ruled_out(known)
        if ending not in endings or model in (*fallen.weakest, *fallen.also):
            continue
        found = look(suspected, transactions, ending)
        complete = complete and found.complete
        special = named(found.cycles, transactions)
        cycles += special
        known += [name for cycle in special for name in (cycle.name, *cycle.also)]
    return Found(cycles, complete)


def _in_one_key(suspected: Suspects, transactions: Transactions, ending: str) -> Found:
    """Look for a G-single in the graph of every single key; each becomes a G-cursor."""
    chosen = np.isin(suspected.edges.kind, (WW, RW, FAN))
    edges, backward = suspected.edges.where(chosen), suspected.backward[chosen]
    position = np.maximum(edges.source_position, edges.target_position)
    key = np.where(position >= 0, transactions.key[position], 0)
    width = len(transactions.keys) + 1
    hub = suspected.nodes >= len(transactions.process)
    ends = [
        end * width + np.where(hub[end], width - 1, key) for end in (edges.source, edges.target)
    ]
    codes, numbers = np.unique(np.concatenate(ends), return_inverse=True)
    own = msgspec.structs.replace(
        edges, source=numbers[: len(backward)], target=numbers[len(backward) :]
    )
    split = Suspects(suspected.nodes[codes // width], own, backward)
    found = find_cycles(split, transactions, (ending,))
    cursors = [
        msgspec.structs.replace(cycle, name="G-cursor")
        for cycle in found.cycles
        if _is_cursor(cycle.steps, transactions)
    ]
    return Found(cursors, found.complete)


def _of_updates(suspected: Suspects, transactions: Transactions, ending: str) -> Found:
    """Look for cycles among the transactions that write."""
    hub = suspected.nodes >= len(transactions.process)
    kept = hub.copy()
    kept[~hub] = _writing(transactions)[suspected.nodes[~hub]]
    nodes = np.flatnonzero(kept)
    inside = kept[suspected.edges.source] & kept[suspected.edges.target]
    edges = suspected.edges.among(nodes, len(suspected.nodes))
    updates = Suspects(suspected.nodes[nodes], edges, suspected.backward[inside])
    return find_cycles(updates, transactions, (ending,))


def _of_prefixes(suspected: Suspects, transactions: Transactions, ending: str) -> Found:
    return find_cycles(suspected, transactions, (ending,), PREFIX_NAMES)


_LOOKS = (
    ("cursor-stability", "", _in_one_key),
    ("update-serializable", "", _of_updates),
    ("prefix", "", _of_prefixes),
    ("strong-session-prefix", "-process", _of_prefixes),
)
"""(model that the special case rules out, ending of its name, how it is looked for)."""
