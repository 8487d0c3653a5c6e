"""Values that only rise: all operations fit into one order (Jepsen's monotonic-cycle, TiDB's monotonic).

Operations: ``inc`` and ``read``, completed with {key: number}, or with a number where there is one value only. An operation that
saw less of some key stands before one that saw more, and a process' operations stand in their own order. If that goes round
in a circle, some state was seen that came and went again.

The operations of a key that saw the same are joined by a node between them and all that saw more, so the graph stays linear. What
ended ``info`` or ``fail`` tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from harness.checkers.acyclic import ordered
from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import finding
from harness.checkers.paired import Paired, paired, shown
from harness.values import frozen

__all__ = ["Monotonic"]


class Monotonic:
    """See the module."""

    name = "monotonic"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``monotonic_operations``, ``monotonic_values``."""
        seen = [one for one in paired(run.history) if one.ok and one.told is not None]
        levels = _levels(seen)
        count = len(seen) + sum(map(len, levels.values()))
        _, cycle = ordered(count, [*_processes(seen), *_rising(levels, len(seen))])
        facts = {
            "monotonic_operations": len(seen),
            "monotonic_values": sum(map(len, levels.values())),
        }
        if cycle:
            return Verdict(
                valid=False, facts=facts, evidence=[self._round([n for n in cycle if n < len(seen)], seen)]
            )  # fmt: skip
        if not any(len(level) > 1 for level in levels.values()):
            evidence = [finding(self.name, "stimulus", "no value was seen to rise")]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _round(self, cycle: list[int], seen: list[Paired]) -> dict[str, Any]:
        steps = [_why(seen[a], seen[b]) for a, b in pairwise([*cycle, cycle[0]])]
        what = "\n".join(["values that only rise went round in a circle:", *steps])
        return finding(self.name, "cycle", what, **shown(*[seen[node] for node in cycle]))


def _values(one: Paired) -> dict[Any, Any]:
    """What an operation saw, by key; a lone number has the key None."""
    return one.told if isinstance(one.told, dict) else {None: one.told}


def _levels(seen: list[Paired]) -> dict[Any, dict[Any, list[int]]]:
    """Key -> value, rising -> the operations that saw it."""
    found: dict[Any, dict[Any, list[int]]] = {}
    for node, one in enumerate(seen):
        for key, value in _values(one).items():
            if value is not None:
                found.setdefault(frozen(key), {}).setdefault(value, []).append(node)
    return {key: dict(sorted(level.items())) for key, level in found.items()}


def _processes(seen: list[Paired]) -> Iterator[tuple[int, int]]:
    """From each operation to the next of its process."""
    last: dict[int, int] = {}
    for node, one in enumerate(seen):
        if one.process in last:
            yield last[one.process], node
        last[one.process] = node


def _rising(levels: dict[Any, dict[Any, list[int]]], node: int) -> Iterator[tuple[int, int]]:
    """From what saw a value through a node of its own, numbered from `node` on, to what saw the next one."""
    for level in levels.values():
        for before, after in pairwise([*level.values(), []]):
            yield from ((operation, node) for operation in before)
            yield from ((node, operation) for operation in after)
            if after:
                yield node, node + 1
            node += 1


def _why(first: Paired, second: Paired) -> str:
    """Why `first` stands before `second`."""
    more = _values(second)
    for key, value in _values(first).items():
        if value is not None and more.get(key) is not None and value < more[key]:
            of = "" if key is None else f" of {key!r}"
            return f"process {first.process} saw {value}{of} before process {second.process} saw {more[key]}"
    return f"process {first.process} saw {first.told!r} before it saw {second.told!r}"
