"""What each node has let others rely on, collected while a run goes on: from its messages, and from what it told the trace.

A message that promises (a vote, an acknowledgement) counts from the moment it leaves, whatever the node wrote by then.
Plain bookkeeping; `harness.checkers.images` judges.
"""

from __future__ import annotations

import zlib

from cluster.encryption.identity import node16
from cluster.raft.messages import (
    AppendReply,
    HeartbeatReply,
    Message,
    SnapshotReply,
    VoteReply,
    VoteRequest,
)
from cluster.trace import Appended, Applied, Event, Installed, Started, Stopped
from harness.checkers.images import Promised
from harness.checkers.registry_fold import RowKey

__all__ = ["Promises"]

_PROMISING = (AppendReply, HeartbeatReply, SnapshotReply, VoteReply, VoteRequest)
_ROW_WRITTEN = ("insert", "advance")


class _Standing:
    """One group of one node."""

    def __init__(self) -> None:
        self.term = 0
        self.vote_term = 0
        self.vote = ""
        self.snapshot = 0
        self.up_to = 0
        self.entries: dict[int, tuple[int, int]] = {}
        self.rows: dict[RowKey, int] = {}


class Promises:
    """See the module."""

    def __init__(self) -> None:
        self._standings: dict[tuple[str, int], _Standing] = {}

    def of(self, node: str, group: int) -> Promised:
        """Return what `node` has promised by now."""
        one = self._standing(node, group)
        return Promised(
            term=one.term,
            vote_term=one.vote_term,
            vote=one.vote,
            snapshot=one.snapshot,
            up_to=one.up_to,
            entries=dict(one.entries),
            rows=dict(one.rows),
        )

    def said(self, group: int, message: Message) -> None:
        """A message left its sender. Pre-votes promise nothing."""
        if not isinstance(message, _PROMISING) or getattr(message, "pre", False):
            return
        one = self._standing(message.sender, group)
        one.term = max(one.term, message.term)
        if isinstance(message, VoteRequest):
            one.vote_term, one.vote = message.term, message.sender
        elif isinstance(message, VoteReply) and message.granted:
            one.vote_term, one.vote = message.term, message.to
        elif isinstance(message, AppendReply) and message.ok:
            one.up_to = max(one.up_to, message.index)

    def observe(self, event: Event) -> None:
        """Something happened."""
        one = self._standing(event.node, event.group)
        if type(event) is Appended:
            self._appended(one, event)
        elif type(event) is Applied and event.decision in _ROW_WRITTEN and event.row_writes:
            one.rows[event.dek_id, node16(event.full_node_id)] = event.index
        elif type(event) is Installed:
            one.snapshot = one.up_to = event.index
            one.entries.clear()
            one.rows.clear()
        elif type(event) is Started:
            one.snapshot = max(one.snapshot, event.snapshot_index)
        elif type(event) is Stopped:
            for (node, _), standing in self._standings.items():
                if node == event.node:
                    standing.rows.clear()

    def _appended(self, one: _Standing, event: Appended) -> None:
        """Entries replace what stood there and behind them."""
        first, last = event.entries[0][0], event.entries[-1][0]
        for index in [index for index in one.entries if index >= first]:
            del one.entries[index]
        for index, term, data in event.entries:
            one.entries[index] = (term, zlib.crc32(data))
        one.up_to = last if event.durable else min(one.up_to, last)

    def _standing(self, node: str, group: int) -> _Standing:
        return self._standings.setdefault((node, group), _Standing())
