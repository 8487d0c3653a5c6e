"""The four session guarantees, key by key, from values that are written once (Terry et al. 1994).

* *read-your-writes*: a read shows the session's own writes, or newer ones;
* *monotonic-reads*: a later read of a session shows what an earlier one showed, or something newer;
* *monotonic-writes*: the writes of a session take effect in its order;
* *writes-follow-reads*: a write takes effect behind what its session had read before.

What is newer nobody says, so the question is whether an order of the writes of each key exists that all named guarantees agree with:
each of them wants some writes before others, and those wishes must not go round in a circle. Nothing stands before what a register
holds in the beginning. Guarantees are tried together, and where that fails one by one: two that hold alone may contradict one another. Monotonic
writes never fail alone, for only a reader can see the order of writes.

Each guarantee looks at one key at a time; what follows across keys is causal consistency (`consistency`). All four together are
what Brzezinski et al. (2004) show to be equivalent to it, where a session's guarantees hold across keys.

Source of the definitions: D. Terry et al., Session guarantees for weakly consistent replicated data, PDIS 1994.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, Literal

from harness.checkers.acyclic import ordered
from harness.checkers.causal.accesses import (
    AMBIGUOUS,
    INITIAL,
    THIN_AIR,
    WRITE,
    Accesses,
    accesses_of,
)
from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import paired, shown

__all__ = ["GUARANTEES", "Guarantee", "SessionGuarantees"]

Guarantee = Literal[
    "read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads"
]

GUARANTEES: Final[tuple[Guarantee, ...]] = (
    "read-your-writes",
    "monotonic-reads",
    "monotonic-writes",
    "writes-follow-reads",
)

Reason = tuple[str, int, int]
"""Which guarantee wants an edge, and the two accesses of a session because of which it does."""


class SessionGuarantees:
    """See the module."""

    name = "session"

    def __init__(
        self, guarantees: Sequence[Guarantee] = GUARANTEES, *, keyed: bool = False
    ) -> None:
        """`keyed`: values are [key, value]."""
        self._guarantees = tuple(guarantees)
        self._keyed = keyed

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``session_accesses``, ``session_compared``: guarantee -> accesses that it spoke of."""
        accesses = accesses_of(paired(run.history), keyed=self._keyed)
        wishes = {name: _Wishes(accesses, name) for name in self._guarantees}
        facts = {
            "session_accesses": len(accesses),
            "session_compared": {name: one.compared for name, one in wishes.items()},
        }
        evidence = [
            finding(
                self.name,
                "unexpected",
                f"{accesses.words(access)} saw a value that nobody wrote",
                **shown(accesses.operations[access]),
            )
            for access, saw in enumerate(accesses.saw)
            if saw == THIN_AIR
        ]
        broken = []
        together = self._broken(accesses, list(wishes.values()))
        if together:
            alone = [self._broken(accesses, [one]) for one in wishes.values()]
            broken = [found for found in alone if found] or [together]
        evidence = [*broken, *evidence]
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=evidence[:EVIDENCE_MAX])
        if AMBIGUOUS in accesses.saw:
            what = "a value was written twice to one register: nobody knows which a read of it saw"
            evidence.append(finding(self.name, "ambiguous-writes", what))
        if not any(one.compared for one in wishes.values()):
            what = "no session did anything that the guarantees speak of"
            evidence.append(finding(self.name, "stimulus", what))
        return Verdict(valid="unknown" if evidence else True, facts=facts, evidence=evidence)

    def _broken(self, accesses: Accesses, wishes: list[_Wishes]) -> dict[str, Any] | None:
        """The finding for wishes that go round in a circle."""
        edges, reasons, count = _joined(accesses, wishes)
        _, cycle = ordered(count, edges)
        if not cycle:
            return None
        found = [reasons[pair] for pair in pairwise([*cycle, cycle[0]]) if pair in reasons]
        names = sorted({name for name, _, _ in found})
        between = sorted({access for _, one, other in found for access in (one, other)})
        what = "\n".join(
            [f"no order of writes is one of {' and '.join(names)}:", *map(accesses.words, between)]
        )
        operations = [accesses.operations[access] for access in between]
        return finding(self.name, " and ".join(names), what, **shown(*operations))


def _joined(
    accesses: Accesses, wishes: list[_Wishes]
) -> tuple[list[tuple[int, int]], dict[tuple[int, int], Reason], int]:
    """All edges with their reasons, and how many nodes: writes, the beginning of each key, and the hubs of all wishes."""
    writes = len(accesses)
    edges = [(writes + accesses.key[write], write) for write in accesses.writes]
    reasons: dict[tuple[int, int], Reason] = {}
    count = writes + len(accesses.keys)
    for one in wishes:
        shift = count - writes - len(accesses.keys)

        def moved(node: int, shift: int = shift, begin: int = count - shift) -> int:
            return node + shift if node >= begin else node

        for (source, target), reason in one.reasons.items():
            pair = (moved(source), moved(target))
            edges.append(pair)
            reasons.setdefault(pair, reason)
        edges += [(moved(source), moved(target)) for source, target in one.chains]
        count += one.hubs
    return edges, reasons, count


class _Wishes:
    """What one guarantee wants, as edges between versions.

    A version is the write that made it, or the node of a key's beginning. Where a guarantee speaks of all earlier writes or
    reads of a session, these are gathered in a chain of hubs, so that edges stay as few as accesses.
    """

    def __init__(self, accesses: Accesses, guarantee: Guarantee) -> None:
        self._accesses = accesses
        self._first_hub = len(accesses) + len(accesses.keys)
        self.hubs = 0
        self.compared = 0
        """Accesses in front of which their session did something that the guarantee looks at."""
        self.reasons: dict[tuple[int, int], Reason] = {}
        self.chains: list[tuple[int, int]] = []
        self._name = guarantee
        lines: dict[tuple[int, int], list[int]] = {}
        for access, saw in enumerate(accesses.saw):
            if saw in (WRITE, INITIAL) or saw >= 0:
                lines.setdefault((accesses.session[access], accesses.key[access]), []).append(
                    access
                )
        want = {
            "read-your-writes": self._read_your_writes,
            "monotonic-reads": self._monotonic_reads,
            "monotonic-writes": self._monotonic_writes,
            "writes-follow-reads": self._writes_follow_reads,
        }[guarantee]
        for line in lines.values():
            want(line)

    def _version(self, access: int) -> int:
        """What an access wrote or saw."""
        saw = self._accesses.saw[access]
        if saw == WRITE:
            return access
        return saw if saw >= 0 else len(self._accesses) + self._accesses.key[access]

    def _want(self, source: int, target: int, first: int, second: int) -> None:
        self.reasons.setdefault((source, target), (self._name, first, second))

    def _hub(self, behind: int | None) -> int:
        """A new hub, behind another where there is one."""
        hub = self._first_hub + self.hubs
        self.hubs += 1
        if behind is not None:
            self.chains.append((behind, hub))
        return hub

    def _is_write(self, access: int) -> bool:
        return self._accesses.saw[access] == WRITE

    def _monotonic_reads(self, line: list[int]) -> None:
        reads = [access for access in line if not self._is_write(access)]
        self.compared += max(0, len(reads) - 1)
        for first, second in pairwise(reads):
            if self._version(first) != self._version(second):
                self._want(self._version(first), self._version(second), first, second)

    def _monotonic_writes(self, line: list[int]) -> None:
        writes = [access for access in line if self._is_write(access)]
        self.compared += max(0, len(writes) - 1)
        for first, second in pairwise(writes):
            self._want(first, second, first, second)

    def _writes_follow_reads(self, line: list[int]) -> None:
        hub: int | None = None
        read = -1
        for access in line:
            if not self._is_write(access):
                hub, read = self._hub(hub), access
                self._want(self._version(access), hub, access, access)
            elif hub is not None:
                self.compared += 1
                self._want(hub, access, read, access)

    def _read_your_writes(self, line: list[int]) -> None:
        """All own writes before a read, but for the one that it saw: those behind that one are wanted one by one."""
        hubs: list[int] = []
        writes: list[int] = []
        place: dict[int, int] = {}
        wanted: dict[int, int] = {}
        """Version -> how many of the writes are wanted before it already."""
        for access in line:
            if self._is_write(access):
                place[access] = len(writes)
                writes.append(access)
                hubs.append(self._hub(hubs[-1] if hubs else None))
                self._want(access, hubs[-1], access, access)
                continue
            self.compared += bool(writes)
            version = self._version(access)
            own = place.get(version, len(writes))
            if own:
                self._want(hubs[own - 1], version, writes[own - 1], access)
            for write in writes[max(own + 1, wanted.get(version, 0)) :]:
                self._want(write, version, write, access)
            wanted[version] = len(writes)
