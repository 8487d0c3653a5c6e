"""Who belonged to a group at which entry, from the trace; and what a quorum of them is.

Judges ask here instead of counting the nodes of a run: some may wait to be added, others have left. Where a trace says
nothing of configurations, every node of the run is a voter. Nothing here judges.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from cluster.trace import Event, Reconfigured
from harness.checkers.trace_views import once_per_trace, rare_events

__all__ = ["Members", "is_quorum", "joined_by_change", "members_at", "members_of"]


class Members(msgspec.Struct, frozen=True):
    """A configuration: its `voters`, and those before it (`outgoing`) while it is joint. `index` is the entry that made it."""

    index: int
    voters: tuple[str, ...]
    outgoing: tuple[str, ...] = ()
    learners: tuple[str, ...] = ()

    def has(self, names: Collection[str]) -> bool:
        """Whether `names` are a quorum: a majority of the voters, and of the outgoing ones where there are any."""
        return all(is_quorum(names, half) for half in (self.voters, self.outgoing) if half)

    def has_without(self, gone: Collection[str]) -> bool:
        """Whether those who are not `gone` are a quorum: whether the group can go on without them."""
        return self.has([name for name in (*self.voters, *self.outgoing) if name not in gone])


def is_quorum(names: Collection[str], voters: Collection[str]) -> bool:
    """Whether more than half of `voters` are among `names`."""
    return 2 * sum(name in names for name in voters) > len(voters)


def members_of(event: Reconfigured) -> Members:
    """Return the configuration that an event tells of."""
    return Members(event.index, event.voters, event.outgoing, event.learners)


@once_per_trace
def _applied(trace: Sequence[Event]) -> dict[int, dict[int, Members]]:
    """Group -> index -> the configuration that was applied there; index 0 is the first one."""
    found: dict[int, dict[int, Members]] = {}
    for event in rare_events(trace):
        if type(event) is Reconfigured and event.voters and (event.applied or not event.index):
            found.setdefault(event.group, {}).setdefault(event.index, members_of(event))
    return found


def members_at(trace: Sequence[Event], group: int, index: int, nodes: Sequence[str]) -> Members:
    """Return the configuration of `group` behind entry `index`; `nodes` are all nodes of the run."""
    known = _applied(trace).get(group, {})
    newest = max((at for at in known if at <= index), default=-1)
    return known[newest] if newest >= 0 else Members(0, tuple(nodes))


@once_per_trace
def joined_by_change(trace: Sequence[Event]) -> dict[tuple[str, int], None]:
    """Return the (node, group) that waited to be added when they first told of themselves."""
    first: dict[tuple[str, int], Reconfigured] = {}
    for event in rare_events(trace):
        if type(event) is Reconfigured:
            first.setdefault((event.node, event.group), event)
    return {place: None for place, event in first.items() if not event.voters}
