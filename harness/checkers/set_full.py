"""A set that only grows: what became of every added element (Jepsen's set-full).

Operations: ``add`` x, ``read`` -> list. An element is *known* from the moment its add ended ok or a read showed it,
whichever came first. By the last read that was invoked with it and the last one without it, an element is *stable*
(seen, and not missed by a later read), *lost* (known, then missed, and never seen after), or *never read*. A stable
element that some read missed although it was known is *stale*; with `linearizable` that is a violation too. An element seen twice in
one read is *duplicated*. One that a read held although nobody had asked to add it by then, or although its add failed (and so
had no effect), is *unexpected*.
"""

from __future__ import annotations

from typing import Any

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.operation import Operation

__all__ = ["SetFull"]


class _Element:
    """What reads said of one element; all four are event positions, -1 for never."""

    __slots__ = ("absent", "added", "known", "missed", "present", "refused")

    def __init__(self, added: int) -> None:
        self.added = added
        self.known = -1
        self.present = -1
        """Invocation of the last read that saw it."""
        self.absent = -1
        """Invocation of the last read that did not."""
        self.missed = False
        """Whether a read that was invoked when it was known did not see it."""
        self.refused = False
        """Whether its add failed."""


class SetFull:
    """See the module."""

    name = "set"

    def __init__(self, *, linearizable: bool = True) -> None:
        self._linearizable = linearizable

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``elements_stable``, ``_lost``, ``_stale``, ``_never_read``, ``_duplicated``, ``_unexpected``."""
        elements, duplicated, unexpected = _fold(run.history)
        lost, stale, never_read, stable = [], [], [], []
        for value, element in elements.items():
            if element.present > element.absent:
                stable.append(value)
                if element.missed:
                    stale.append(value)
            elif 0 <= element.known < element.absent:
                lost.append(value)
            else:
                never_read.append(value)
        facts = {
            "elements_stable": len(stable),
            "elements_lost": len(lost),
            "elements_stale": len(stale),
            "elements_never_read": len(never_read),
            "elements_duplicated": len(duplicated),
            "elements_unexpected": len(unexpected),
        }
        evidence = [
            self._found(f"element {value!r} was added and is lost", value) for value in lost
        ]
        evidence += [
            self._found(f"element {value!r} was read twice in one read", value)
            for value in duplicated
        ]
        evidence += [
            self._found(f"a read held element {value!r}, which nobody had added", value)
            for value in unexpected
        ]
        if self._linearizable:
            evidence += [
                self._found(f"a read missed element {value!r} after it was known", value)
                for value in stale
            ]
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=evidence[:EVIDENCE_MAX])
        if not stable:
            what = "no element was ever added and then read"
            evidence = [finding(self.name, "stimulus", what)]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _found(self, what: str, value: Any) -> dict[str, Any]:
        return finding(self.name, "I22", what, element=value)


def _fold(history: Any) -> tuple[dict[Any, _Element], list[Any], list[Any]]:
    """Return what reads said of every added element; what some read held twice; and what it should not have held."""
    elements: dict[Any, _Element] = {}
    duplicated: dict[Any, None] = {}
    unexpected: dict[Any, None] = {}
    invoked: dict[int, int] = {}
    for position, operation in enumerate(history):
        if operation.f not in ("add", "read"):
            continue
        if operation.type == "invoke":
            invoked[operation.process] = position
            if operation.f == "add":
                elements.setdefault(operation.value, _Element(position))
        elif operation.type == "ok":
            if operation.f == "add":
                element = elements[operation.value]
                element.known = position if element.known < 0 else element.known
            else:
                unexpected |= dict.fromkeys(x for x in operation.value if x not in elements)
                _read(operation, invoked[operation.process], position, elements, duplicated)
        elif operation.type == "fail" and operation.f == "add":
            elements[operation.value].refused = True
    for value, element in elements.items():
        if element.refused and element.present >= 0:
            unexpected[value] = None
    return elements, list(duplicated), list(unexpected)


def _read(
    operation: Operation,
    called: int,
    returned: int,
    elements: dict[Any, _Element],
    duplicated: dict[Any, None],
) -> None:
    counts: dict[Any, int] = {}
    for value in operation.value:
        counts[value] = counts.get(value, 0) + 1
    for value, element in elements.items():
        count = counts.get(value, 0)
        if count:
            element.present = max(element.present, called)
            if element.known < 0:
                element.known = returned
            if count > 1:
                duplicated[value] = None
        elif called > element.added:
            element.absent = max(element.absent, called)
            if 0 <= element.known < called:
                element.missed = True
