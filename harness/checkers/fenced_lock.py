"""A lock with fencing tokens: what protects the data when a holder sleeps through its lease (Kleppmann 2016; Hazelcast's FencedLock).

A lock service cannot know whether a client that it takes for dead is only slow, so two clients may hold a lock at once. What keeps
the data right is the token that comes with each grant, and a store that refuses an older token than it has seen.

Operations: ``acquire`` -> token; ``release`` token; ``write`` [token, value], guarded: ok when the store took it. Tokens are numbers.

* *duplicated*: two grants have the same token;
* *order*: a grant that was asked for after another had been made has a smaller token;
* *unknown-token*: a write was taken with a token that nobody had been granted by then. An acquire that crashed may have been
  granted any token;
* *stale-write*: a write was taken although one with a greater token had been taken before it was invoked.

Holders that overlap are counted (``lock_overlaps``) and are no violation; for a lock that must never be held twice there is the
model ``mutex``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import Paired, paired, shown

__all__ = ["FencedLock"]


class FencedLock:
    """See the module."""

    name = "fenced-lock"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``lock_grants``, ``lock_overlaps``, ``lock_writes``."""
        operations = paired(run.history)
        grants = [one for one in operations if one.f == "acquire" and one.ok]
        crashed = [one for one in operations if one.f == "acquire" and one.type == "info"]
        writes = [one for one in operations if one.f == "write" and one.ok]
        evidence = [
            *self._duplicated(grants),
            *self._falling(grants, [one.told for one in grants], "order", "granted"),
            *self._ungranted(grants, crashed, writes),
            *self._falling(writes, [one.asked[0] for one in writes], "stale-write", "taken"),
        ]
        facts = {
            "lock_grants": len(grants),
            "lock_overlaps": _overlaps(operations),
            "lock_writes": len(writes),
        }
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=evidence[:EVIDENCE_MAX])
        if len(grants) < 2:
            what = "the lock was not granted twice: tokens had nothing to rise above"
            evidence = [finding(self.name, "stimulus", what)]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _duplicated(self, grants: list[Paired]) -> Iterator[dict[str, Any]]:
        holders: dict[int, list[Paired]] = {}
        for grant in grants:
            holders.setdefault(grant.told, []).append(grant)
        for token, held in holders.items():
            if len(held) > 1:
                what = f"token {token} was granted {len(held)} times"
                yield finding(self.name, "duplicated", what, token=token, **shown(*held))

    def _falling(
        self, operations: list[Paired], tokens: list[int], kind: str, word: str
    ) -> Iterator[dict[str, Any]]:
        """Operations with a smaller token than one that had returned before they were invoked."""
        events = [(one.called, place, False) for place, one in enumerate(operations)]
        events += [(one.returned, place, True) for place, one in enumerate(operations)]
        greatest = -1
        for _, place, ended in sorted(events):
            if ended:
                if greatest < 0 or tokens[place] > tokens[greatest]:
                    greatest = place
            elif greatest >= 0 and tokens[place] < tokens[greatest]:
                token, before = tokens[place], tokens[greatest]
                what = f"token {token} was {word} after token {before} had been"
                which = shown(operations[greatest], operations[place])
                yield finding(self.name, kind, what, token=token, **which)

    def _ungranted(
        self, grants: list[Paired], crashed: list[Paired], writes: list[Paired]
    ) -> Iterator[dict[str, Any]]:
        granted: dict[int, int] = {}
        """Token -> when it was first asked for."""
        for one in grants:
            granted.setdefault(one.told, one.called)
        first_crash = min((one.called for one in crashed), default=None)
        for write in writes:
            token = write.asked[0]
            asked = granted.get(token, first_crash)
            if asked is not None and asked < write.returned:
                continue
            what = f"a write with token {token} was taken, which nobody had been granted"
            yield finding(self.name, "unknown-token", what, token=token, **shown(write))


def _overlaps(operations: list[Paired]) -> int:
    """How often the lock was granted while another process held it: granted, and not asked to release it."""
    events = [(one.returned, True, one) for one in operations if one.f == "acquire" and one.ok]
    events += [(one.called, False, one) for one in operations if one.f == "release"]
    held: dict[int, None] = {}
    count = 0
    for _, granted, one in sorted(events, key=lambda event: event[0]):
        if granted:
            count += bool(held)
            held[one.process] = None
        else:
            held.pop(one.process, None)
    return count
