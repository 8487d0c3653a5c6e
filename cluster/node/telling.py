"""What a replica tells the trace: roles, configurations, entries written, committed and applied.

It only looks and speaks. `Teller.tracing` is False where nobody listens; whoever asks it first saves the call.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from cluster.machine.outcome import Outcome
from cluster.node.config import NodeConfig
from cluster.node.crash_points import NodeProbe
from cluster.raft.configuration import Configuration
from cluster.raft.core import Raft
from cluster.raft.messages import Entry
from cluster.trace import Appended, Committed, Reconfigured, RoleChanged, Transferred

__all__ = ["Teller", "reconfigured"]


def reconfigured(configuration: Configuration, *, applied: bool, **life: Any) -> Reconfigured:
    """Return the event of a configuration that is in force, or `applied`; `life` are the fields that all events have."""
    return Reconfigured(
        **life,
        index=configuration.index,
        voters=configuration.voters,
        outgoing=configuration.outgoing,
        learners=configuration.learners,
        applied=applied,
    )


class Teller:
    """Tells what is new of one replica in this life."""

    def __init__(self, config: NodeConfig, group: int, probe: NodeProbe, raft: Raft) -> None:
        self.tracing = probe.tracing
        self._node = config.name
        self._incarnation = config.incarnation
        self._group = group
        self._probe = probe
        self._role = ("", 0)
        self._commit = 0
        self._configuration = raft.log.configuration

    def standing(self, raft: Raft) -> None:
        """Tell a new role, term or configuration."""
        role = (raft.role, raft.term)
        if role != self._role:
            self._role = role
            self._role_changed(raft)
        configuration = raft.log.configuration
        if configuration is not self._configuration:
            self._configuration = configuration
            self.configuration(configuration, applied=False)

    def _role_changed(self, raft: Raft) -> None:
        self._probe.role = raft.role
        self._probe.emit(
            RoleChanged(
                node=self._node,
                incarnation=self._incarnation,
                group=self._group,
                role=raft.role,
                term=raft.term,
                last_index=raft.last_index,
                last_term=raft.last_term,
            )
        )
        if raft.role == "leader" and raft.by_transfer:
            self._probe.emit(
                Transferred(
                    node=self._node,
                    incarnation=self._incarnation,
                    group=self._group,
                    term=raft.term,
                )
            )

    def configuration(self, configuration: Configuration, *, applied: bool) -> None:
        """Tell a configuration."""
        self._probe.emit(
            reconfigured(
                configuration,
                applied=applied,
                node=self._node,
                incarnation=self._incarnation,
                group=self._group,
            )
        )

    def appended(self, entries: Sequence[Entry], *, durable: bool) -> None:
        """Tell entries that were written."""
        self._probe.emit(
            Appended(
                node=self._node,
                incarnation=self._incarnation,
                group=self._group,
                entries=tuple((entry.index, entry.term, entry.data) for entry in entries),
                durable=durable,
            )
        )

    def committed(self, entry: Entry) -> None:
        """Tell that everything up to `entry` is committed, unless that was told."""
        if entry.index > self._commit:
            self._commit = entry.index
            self._probe.emit(
                Committed(
                    node=self._node,
                    incarnation=self._incarnation,
                    group=self._group,
                    index=entry.index,
                    term=entry.term,
                )
            )

    def applied(self, entry: Entry, outcome: Outcome) -> None:
        """Tell what became of an entry."""
        self._probe.emit(
            outcome.event(
                node=self._node,
                incarnation=self._incarnation,
                group=self._group,
                term=entry.term,
                replay=False,
                digest=zlib.crc32(entry.data),
            )
        )
