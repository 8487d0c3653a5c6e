"""Raft's own promises, judged while the run goes on.

`RaftInvariants.observe` is fed every trace event, by a simulator after each step or by `RaftChecker` once the run
is over, and records a finding the moment a promise is broken. It must cost
microseconds, so it keeps per node only terms and marks, and finds the rest through the tree of entries of
`committed_log`: with log matching judged on every append, one comparison at the tip judges the whole path.

Promises (Ongaro & Ousterhout 2014, figure 3, and §5.2-5.4): election safety, leader append-only, log matching,
leader completeness, state machine safety; beside them: a leader commits only what a quorum of its configuration holds durably
(events of different nodes must come in the order of cause and effect), commit never goes back within one life of a node, and what a node said
was durable (its term, its committed entries) is still there after a restart (specification I6, I12).

A node may die after writing and before saying so, and in the middle of anything: an unknown is no violation.

A disk that was put back, exchanged or emptied by hand has forgotten what it promised, which Raft never claimed to survive. It
is no violation; but a cluster that took such a node back without refusing it has proved nothing, and the verdict is unknown.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from cluster.trace import (
    Appended,
    Applied,
    Committed,
    Event,
    Fault,
    HitPoint,
    Installed,
    Reconfigured,
    RoleChanged,
    Started,
    Stopped,
)
from harness.checkers.checker import Run, Verdict
from harness.checkers.committed_log import UNKNOWN, Conflict, GroupLog, Peer
from harness.checkers.evidence import EVIDENCE_MAX, LastCrash, finding
from harness.checkers.memberships import Members, members_of
from harness.checkers.replica_story import is_file_damage

__all__ = ["RaftChecker", "RaftInvariants"]

_CONFLICTS = {
    "data": "log matching",
    "history": "log matching",
    "commit": "state machine safety",
}


class _Member(Peer):
    """What is known of one replica: its log, and what it may never take back."""

    __slots__ = ("commit", "configurations", "durable_last", "durable_term", "role", "term")

    def __init__(self) -> None:
        super().__init__()
        self.role = "follower"
        self.term = 0
        self.commit = 0
        self.configurations: list[Members] = []
        """By index; the last is in force."""
        self.durable_last = 0
        self.durable_term = 0

    def holds(self, index: int, term: int) -> bool:
        """Whether the entry (index, term) is in its log durably, as far as it is known."""
        return self.durable_last >= index and self.terms.get(index, term) in (term, UNKNOWN)


class _Group:
    """What is known of one raft group."""

    __slots__ = ("applied", "commit_by_term", "leaders", "log", "members")

    def __init__(self) -> None:
        self.log = GroupLog()
        self.members: dict[str, _Member] = {}
        self.leaders: dict[int, str] = {}
        self.applied: dict[int, int] = {}
        """Index -> digest of the entry that was applied there first."""
        self.commit_by_term: dict[int, int] = {}
        """Term in which entries were first known committed -> the highest such index."""


class RaftInvariants:
    """Judges events as they come; `violations` holds the findings, `entries_committed` what the pass rests on."""

    name = "raft"

    def __init__(self) -> None:
        self.violations: list[dict[str, Any]] = []
        self._groups: dict[int, _Group] = {}
        self._crashes = LastCrash()
        self._damaged: dict[tuple[str, int], bool] = {}
        """(node, group) -> whether files were damaged by hand since the group started there."""
        self._forgotten: dict[str, dict[str, Any]] = {}
        """Node -> what its damaged disk forgot, until the node is refused."""
        self._refused = 0
        self._handlers: dict[type, Callable[[Any], None]] = {
            Applied: self._applied,
            Appended: self._appended,
            Committed: self._committed,
            Fault: self._fault,
            HitPoint: self._crashes.observe,
            Installed: self._installed,
            Reconfigured: self._reconfigured,
            RoleChanged: self._role_changed,
            Started: self._started,
            Stopped: self._stopped,
        }

    def observe(self, event: Event) -> None:
        """Take the next event of the run; adds to `violations` what it breaks."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    @property
    def entries_committed(self) -> int:
        """How many entries are known committed, over all groups."""
        return sum(group.log.commit for group in self._groups.values())

    def verdict(self) -> Verdict:
        """Return the verdict so far; ``unknown`` when nothing was ever committed, or a node that forgot was not refused."""
        facts = {
            "forgetful_disks": self._refused + len(self._forgotten),
            "forgetful_disks_refused": self._refused,
            "entries_committed": self.entries_committed,
            "terms_with_leader": sum(len(group.leaders) for group in self._groups.values()),
        }
        if self.violations:
            return Verdict(valid=False, facts=facts, evidence=self.violations[:EVIDENCE_MAX])
        if not self.entries_committed:
            what = "no entry was ever committed, so there was nothing to keep"
            evidence = [finding(self.name, "stimulus", what)]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        if self._forgotten:
            return Verdict(valid="unknown", facts=facts, evidence=list(self._forgotten.values()))
        return Verdict(valid=True, facts=facts)

    # -- one handler for each kind of event ------------------------------------------------------

    def _place(self, event: Event) -> tuple[_Group, _Member]:
        group = self._groups.get(event.group)
        if group is None:
            group = self._groups[event.group] = _Group()
        member = group.members.get(event.node)
        if member is None:
            member = group.members[event.node] = _Member()
        return group, member

    def _appended(self, event: Appended) -> None:
        group, member = self._place(event)
        first = event.entries[0][0]
        if first <= member.last and member.role == "leader":
            what = (
                f"{event.node} is leader of term {member.term} and overwrote its own entry {first}"
            )
            self._broken("leader append-only", what, event, index=first)
        conflict = group.log.append(member, event.entries)
        if event.durable:
            member.durable_last = member.last
            member.durable_term = member.term
        elif first <= member.durable_last:
            member.durable_last = first - 1
        if conflict is not None:
            self._conflict(conflict, event)

    def _committed(self, event: Committed) -> None:
        group, member = self._place(event)
        index = event.index
        if index < member.commit:
            what = f"{event.node} knew entry {member.commit} committed and now says {index}"
            self._broken("commit monotone", what, event)
        member.commit = index
        if event.term == member.term and member.role == "leader":
            self._check_quorum(group, member, event)
        log = group.log
        if index > log.commit:
            group.commit_by_term[member.term] = index
        conflict = log.commit_to(index, event.term)
        if conflict is not None:
            self._conflict(conflict, event)

    def _check_quorum(self, group: _Group, leader: _Member, event: Committed) -> None:
        """A leader counts by a configuration that was in force at the entry or later; which one, no event tells."""
        index, term = event.index, event.term
        configurations = leader.configurations
        members = group.members
        if configurations and not configurations[-1].outgoing:
            # Nearly always so, and this is asked at every commit: count until it is enough.
            voters = configurations[-1].voters
            missing = len(voters) // 2 + 1
            for name in voters:
                member = members.get(name)
                if member is not None and member.holds(index, term):
                    missing -= 1
                    if not missing:
                        return
        holders = [name for name, member in members.items() if member.holds(index, term)]
        for position in range(len(configurations) - 1, -1, -1):
            if configurations[position].has(holders):
                return
            if configurations[position].index <= index:
                break
        if configurations:
            what = (
                f"{event.node}, leader of term {term}, committed entry {index}, which only "
                f"{', '.join(holders) or 'nobody'} held durably"
            )
            self._broken("commit by quorum", what, event)

    def _reconfigured(self, event: Reconfigured) -> None:
        if event.applied:
            return
        _, member = self._place(event)
        known = member.configurations
        while known and known[-1].index >= event.index:
            known.pop()
        known.append(members_of(event))

    def _applied(self, event: Applied) -> None:
        group, _ = self._place(event)
        index = event.index
        digest = group.applied.get(index)
        if digest == event.digest:
            return
        if digest is not None:
            what = (
                f"{event.node} applied an entry at {index} whose digest {event.digest:08x} "
                f"differs from {digest:08x}, which was applied there before"
            )
            self._broken("state machine safety", what, event)
            return
        group.applied[index] = event.digest
        data = group.log.data(index)
        if data is not None and zlib.crc32(data) != event.digest:
            what = f"{event.node} applied at {index} something else than what is committed there"
            self._broken("state machine safety", what, event)

    def _installed(self, event: Installed) -> None:
        group, member = self._place(event)
        group.log.install(member, event.index)
        member.durable_last = event.index
        member.commit = max(member.commit, event.index)

    def _started(self, event: Started) -> None:
        group, member = self._place(event)
        log = group.log
        kept = event.last_index
        lost = min(member.durable_last, log.commit)
        while lost > kept and not _holds_committed(log, member, lost):
            lost -= 1
        if lost > kept:
            what = (
                f"{event.node} had entry {lost} durable and it was committed, but its log ends at {kept} "
                f"after the restart"
            )
            if self._damaged.get((event.node, event.group)):
                self._forgets(what, event, lost)
            else:
                self._broken("persistence", what, event, index=lost)
        if self._damaged.pop((event.node, event.group), False):
            member.durable_term = 0
        log.restart(member, event.last_index)
        member.durable_last = min(member.durable_last, event.last_index)
        member.role = "follower"
        member.term = member.durable_term
        member.commit = 0

    def _fault(self, event: Fault) -> None:
        if is_file_damage(event):
            for number in self._groups:
                self._damaged[event.node, number] = True

    def _stopped(self, event: Stopped) -> None:
        self._crashes.observe(event)
        if event.cause == "error" and self._forgotten.pop(event.node, None) is not None:
            self._refused += 1

    def _role_changed(self, event: RoleChanged) -> None:
        group, member = self._place(event)
        term = event.term
        if term < member.term:
            what = f"{event.node} was durably in term {member.term} and now says {term}"
            self._broken("persistence", what, event)
        member.role = event.role
        member.term = term
        group.log.tip(member, event.last_index, event.last_term)
        if event.role != "leader":
            return
        known = group.leaders.setdefault(term, event.node)
        if known != event.node:
            what = f"{event.node} became leader of term {term}, which {known} already led"
            self._broken("election safety", what, event)
        self._check_completeness(group, member, event)

    def _check_completeness(self, group: _Group, member: _Member, event: RoleChanged) -> None:
        """Whatever was committed in an earlier term is in the new leader's log.

        A new leader's `last_index` already counts the empty entry of its own term.
        """
        needed = max(
            (index for term, index in group.commit_by_term.items() if term < event.term), default=0
        )
        if needed == 0:
            return
        last = event.last_index - (event.last_term == event.term)
        if last < needed:
            what = (
                f"{event.node} became leader of term {event.term} with a log that ends at {last}, "
                f"but entry {needed} was committed before"
            )
            self._broken("leader completeness", what, event, index=needed)
            return
        term = _term_through(group.log, member, last, needed)
        committed = group.log.committed.get(needed, UNKNOWN)
        if UNKNOWN not in (term, committed) and term != committed:
            what = (
                f"{event.node} became leader of term {event.term} with an entry of term {term} at "
                f"{needed}, where one of term {committed} was committed"
            )
            self._broken("leader completeness", what, event, index=needed)

    # -- findings ----------------------------------------------------------------------------------

    def _forgets(self, what: str, event: Started, index: int) -> None:
        """A damaged disk is back in the cluster with less than it had promised."""
        what = f"outside the fault model: {what}, its files having been damaged by hand, and nobody refused it"
        found = finding(self.name, "outside the fault model", what, event, index=index)
        self._forgotten.setdefault(event.node, found)

    def _conflict(self, conflict: Conflict, event: Event) -> None:
        index, term, known = conflict.index, conflict.term, conflict.known_term
        what = {
            "data": f"{event.node} holds another content than its peers under (index {index}, term {term})",
            "history": f"before entry {index}, {event.node} holds term {term} and a peer term {known}",
            "commit": f"{event.node} says that an entry of term {term} is committed at {index}, "
            f"where one of term {known} already is",
        }[conflict.kind]
        self._broken(_CONFLICTS[conflict.kind], what, event, index=index)

    def _broken(self, promise: str, what: str, event: Event, **fields: Any) -> None:
        self.violations.append(
            finding(
                self.name,
                promise,
                f"{promise}: {what}{self._crashes.words(event.node)}",
                event,
                crash_point=self._crashes.of(event.node),
                **fields,
            )
        )


def _holds_committed(log: GroupLog, member: _Member, index: int) -> bool:
    """Whether `member` is known to hold the committed entry at `index`."""
    term = member.term_at(index)
    return term != UNKNOWN and term == log.committed.get(index)


def _term_through(log: GroupLog, member: _Member, last: int, index: int) -> int:
    """Return the term of `member`'s entry at `index`, found through its entries up to `last`, or UNKNOWN."""
    position = index
    while position <= last and member.term_at(position) == UNKNOWN:
        position += 1
    for there, term in log.path(position, member.term_at(position)):
        if there == index:
            return term
    return UNKNOWN


class RaftChecker:
    """The same promises, judged when the run is over."""

    name = RaftInvariants.name

    def check(self, run: Run) -> Verdict:
        """See `Checker`."""
        invariants = RaftInvariants()
        for event in run.trace:
            invariants.observe(event)
        return invariants.verdict()
