"""Long fork: two readers disagree about which of two writes came first (Jepsen's long-fork; Sovran et al. 2011).

Parallel snapshot isolation allows it, snapshot isolation does not. Operations are transactions: one write ``[[w, k, v]]`` of a
register that nobody else writes, or reads ``[[r, k, v] ...]`` of several registers at once. Whatever order the writes have, of two
reads of the same registers one has seen all that the other has. Two that each saw a write that the other missed are a *fork*.

Reads of the same registers stand in order of how much they saw, and each must hold the one before it: as holding is transitive,
neighbours are all that need be compared. A value that nobody wrote, or that was written only after the read had returned, is
*unexpected*. A register that is written twice, or read with two values, cannot be judged: unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import Paired, paired, shown
from harness.values import frozen, thawed

__all__ = ["LongFork"]


class _Reading(msgspec.Struct, frozen=True):
    """A read: the registers it asked for and those in which it found something."""

    registers: frozenset[Any]
    seen: frozenset[Any]
    read: Paired


class LongFork:
    """See the module."""

    name = "long-fork"

    def __init__(self, group_size: int = 0) -> None:
        """`group_size`: how many registers every read must ask for; 0: as many as it likes."""
        self._group_size = group_size

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``fork_reads``, ``fork_reads_early`` (saw nothing), ``fork_reads_late`` (saw everything), ``forks``."""
        writes, twice, readings = _taken_apart(paired(run.history))
        unexpected = [found for reading in readings for found in self._unexpected(reading, writes)]
        forks = [self._fork(*pair) for pair in _forks(readings)]
        early = sum(not one.seen for one in readings)
        late = sum(one.seen == one.registers for one in readings)
        facts = {
            "fork_reads": len(readings),
            "fork_reads_early": early,
            "fork_reads_late": late,
            "forks": len(forks),
        }
        evidence = unexpected + forks
        if evidence and not twice:
            return Verdict(valid=False, facts=facts, evidence=evidence[:EVIDENCE_MAX])
        unknown = [finding(self.name, "multiple-writes", what) for what in twice]
        wide = [one for one in readings if len(one.registers) != self._group_size]
        if wide and self._group_size:
            what = (
                f"a read asked for {len(wide[0].registers)} registers, not for {self._group_size}"
            )
            unknown.append(finding(self.name, "group-size", what, **shown(wide[0].read)))
        if early + late == len(readings):
            what = "no read saw one write and missed another"
            unknown.append(finding(self.name, "stimulus", what))
        if unknown:
            return Verdict(valid="unknown", facts=facts, evidence=unknown[:EVIDENCE_MAX])
        return Verdict(valid=True, facts=facts)

    def _unexpected(
        self, reading: _Reading, writes: dict[Any, tuple[Any, Paired]]
    ) -> Iterable[dict[str, Any]]:
        read = reading.read
        for _, register, value in read.told:
            written, write = writes.get(frozen(register), (None, None))
            if value is None:
                continue
            if write is None or written != frozen(value) or write.called > read.returned:
                what = f"{value!r} was read in {register!r}, where nobody had written it"
                yield finding(self.name, "unexpected", what, key=register, **shown(read))

    def _fork(self, first: _Reading, second: _Reading) -> dict[str, Any]:
        one, other = (
            thawed(min(a.seen - b.seen, key=repr)) for a, b in ((first, second), (second, first))
        )
        what = (
            f"one read saw the write of {one!r} and not that of {other!r}, "
            f"another saw {other!r} and not {one!r}"
        )
        return finding(
            self.name, "long-fork", what, keys=[one, other], **shown(first.read, second.read)
        )


def _taken_apart(
    operations: list[Paired],
) -> tuple[dict[Any, tuple[Any, Paired]], list[str], list[_Reading]]:
    """Register -> what was written and by whom; what cannot be judged, in words; and the reads that ended ok."""
    writes: dict[Any, tuple[Any, Paired]] = {}
    twice: dict[str, None] = {}
    readings: list[_Reading] = []
    for one in operations:
        if not one.possible:
            continue
        if one.asked and one.asked[0][0] in ("w", "write"):
            for _, register, value in one.asked:
                key = frozen(register)
                if key in writes:
                    twice[f"register {register!r} was written twice"] = None
                writes.setdefault(key, (frozen(value), one))
        elif one.ok and one.told:
            seen = [frozen(register) for _, register, value in one.told if value is not None]
            asked = frozenset([frozen(register) for _, register, _ in one.told])
            readings.append(_Reading(asked, frozenset(seen), one))
    return writes, list(twice), readings


def _forks(readings: list[_Reading]) -> Iterable[tuple[_Reading, _Reading]]:
    """Neighbouring reads of the same registers of which neither holds the other."""
    groups: dict[frozenset[Any], list[_Reading]] = {}
    for reading in readings:
        groups.setdefault(reading.registers, []).append(reading)
    for group in groups.values():
        group.sort(key=lambda reading: len(reading.seen))
        for smaller, larger in pairwise(group):
            if not smaller.seen <= larger.seen:
                yield smaller, larger
