"""A set that only grows: what became of every added element (Jepsen's set-full).

Operations: ``add`` x, ``read`` -> list. An element is *known* from the moment its add ended ok or a read showed it,
whichever came first. By the last read that was invoked with it and the last one without it, an element is *stable*
(seen, and not missed by a later read), *lost* (known, then missed, and never seen after), or *never read*. A stable
element that some read missed although it was known is *stale*; with `linearizable` that is a violation too. An element seen twice in
one read is *duplicated*. One that a read held although nobody had asked to add it by then, or although its add failed (and so
had no effect), is *unexpected*.

How long a stable element went on being missed after it was known, and how long a lost one was still seen, are latencies, as in
Jepsen: from the moment it was known to the invocation of the last read that missed it, or saw it.

Reads are compared as whole sets, in C: what was already settled by a later read costs nothing more.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import NEVER, Paired, paired, shown
from harness.checkers.stats import quantiles
from harness.values import frozen, frozen_all, thawed

__all__ = ["SetFull"]


class _Element:
    """What is known of one element. `present` and `absent` are the last reads, by invocation, with it and without it."""

    __slots__ = ("absent", "add", "known", "known_ns", "present", "refused")

    def __init__(self, add: Paired) -> None:
        self.add = add
        self.refused = not add.possible
        self.known = NEVER
        self.known_ns = -1
        self.present: Paired | None = None
        self.absent: Paired | None = None

    def add_again(self, add: Paired) -> None:
        """Take note of another add of the same element: one that had no effect says nothing."""
        if self.refused and add.possible:
            self.add, self.refused = add, False

    def know(self, operation: Paired) -> None:
        """It is known from the end of `operation` on."""
        if operation.returned < self.known:
            self.known, self.known_ns = operation.returned, operation.returned_ns

    @property
    def stable(self) -> bool:
        """Whether the last read that could tell saw it."""
        return self.present is not None and (
            self.absent is None or self.present.called > self.absent.called
        )

    @property
    def missed(self) -> bool:
        """Whether a read that was invoked when it was known did not see it."""
        return self.absent is not None and self.absent.called > self.known

    def latency_ns(self, last: Paired | None) -> int:
        """From the moment it was known to the invocation of `last`."""
        return 0 if last is None else max(0, last.called_ns - self.known_ns)


class _Fold:
    """What all reads said of all elements."""

    def __init__(self, operations: list[Paired]) -> None:
        self.elements: dict[Any, _Element] = {}
        self.duplicated: dict[Any, Paired] = {}
        self.unexpected: dict[Any, Paired] = {}
        self.acknowledged = 0
        adds = [one for one in operations if one.f == "add"]
        for add in adds:
            key = frozen(add.asked)
            element = self.elements.setdefault(key, _Element(add))
            element.add_again(add)
            if add.ok:
                self.acknowledged += 1
                element.know(add)
        reads = [
            (one, frozen_all(one.told or [])) for one in operations if one.f == "read" and one.ok
        ]
        self._forwards(adds, sorted(reads, key=lambda read: read[0].returned))
        self._backwards(reads)

    def _forwards(self, adds: list[Paired], reads: list[tuple[Paired, list[Any]]]) -> None:
        """From the first return to the last: who showed an element first, and what no read should have held."""
        asked: dict[Any, None] = {}
        unseen = set(self.elements)
        following = 0
        for read, items in reads:
            while following < len(adds) and adds[following].called < read.returned:
                if adds[following].possible:
                    asked[frozen(adds[following].asked)] = None
                following += 1
            held = set(items)
            for key in held & unseen:
                self.elements[key].know(read)
            unseen -= held
            if not held <= asked.keys():
                self.unexpected |= {
                    key: read for key in items if key not in asked
                } | self.unexpected
            if len(held) < len(items):
                twice = [key for key, count in Counter(items).items() if count > 1]
                self.duplicated = dict.fromkeys(twice, read) | self.duplicated

    def _backwards(self, reads: list[tuple[Paired, list[Any]]]) -> None:
        """From the last invocation to the first: the first read met is the one that counts."""
        unseen, unmissed = set(self.elements), set(self.elements)
        by_add = sorted(self.elements, key=lambda key: self.elements[key].add.called)
        for read, items in reversed(reads):
            while by_add and self.elements[by_add[-1]].add.called > read.called:
                unmissed.discard(by_add.pop())
            if not unseen and not unmissed:
                return
            held = set(items)
            found = held & unseen
            unseen -= found
            for key in found:
                self.elements[key].present = read
            missed = unmissed - held
            unmissed -= missed
            for key in missed:
                self.elements[key].absent = read


class SetFull:
    """See the module."""

    name = "set"

    def __init__(self, *, linearizable: bool = True) -> None:
        self._linearizable = linearizable

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``elements_attempted``, ``_acknowledged``, ``_stable``, ``_lost``, ``_stale``,
        ``_never_read``, ``_duplicated``, ``_unexpected``; quantiles ``stable_latency_ns`` and ``lost_latency_ns``.
        """
        fold = _Fold(paired(run.history))
        elements = fold.elements.values()
        stable = [one for one in elements if one.stable]
        stale = [one for one in stable if one.missed]
        lost = [one for one in elements if one.missed and not one.stable]
        facts = {
            "elements_attempted": len(elements),
            "elements_acknowledged": fold.acknowledged,
            "elements_stable": len(stable),
            "elements_lost": len(lost),
            "elements_stale": len(stale),
            "elements_never_read": len(elements) - len(stable) - len(lost),
            "elements_duplicated": len(fold.duplicated),
            "elements_unexpected": len(fold.unexpected),
            "stable_latency_ns": quantiles([one.latency_ns(one.absent) for one in stable]),
            "lost_latency_ns": quantiles([one.latency_ns(one.present) for one in lost]),
        }
        evidence = [self._lost(one) for one in lost]
        evidence += [
            self._found(f"element {thawed(key)!r} was read twice in one read", thawed(key), read)
            for key, read in fold.duplicated.items()
        ]
        evidence += [
            self._found(f"a read held element {thawed(key)!r}, which nobody had added", thawed(key), read)
            for key, read in fold.unexpected.items()
        ]  # fmt: skip
        if self._linearizable:
            stale.sort(key=lambda one: -one.latency_ns(one.absent))
            evidence += [self._stale(one) for one in stale]
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=evidence[:EVIDENCE_MAX])
        if not stable:
            what = "no element was ever added and then read"
            evidence = [finding(self.name, "stimulus", what)]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _lost(self, element: _Element) -> dict[str, Any]:
        value = element.add.asked
        what = f"element {value!r} was added and is lost"
        return self._found(what, value, element.add, element.present, element.absent)

    def _stale(self, element: _Element) -> dict[str, Any]:
        value = element.add.asked
        what = f"a read missed element {value!r} after it was known"
        return self._found(what, value, element.add, element.absent)

    def _found(self, what: str, value: Any, *operations: Paired | None) -> dict[str, Any]:
        known = [one for one in operations if one is not None]
        return finding(self.name, "I22", what, element=value, **shown(*known))
