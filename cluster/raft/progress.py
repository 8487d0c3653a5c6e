"""What a leader knows about one follower, and how much it may send to it (etcd-io/raft `tracker/`).

A follower is in one of three states:

=============  =====================================================================================
``probe``      where its log agrees is not known: one append at a time (`paused` until answered)
``replicate``  it follows: appends are sent ahead, up to a window of unacknowledged ones
``snapshot``   it needs entries that are compacted: one chunk of a snapshot at a time
=============  =====================================================================================

Lost messages are noticed by heartbeats, without a clock: when a heartbeat goes out while something is
unanswered, its round is noted in `overdue_round`; an acknowledgement clears it; a reply to that
heartbeat or a later one finds it still there and thereby knows that the follower is alive and the
message is not.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from cluster.raft.messages import SnapshotMeta

__all__ = ["Progress"]

State = Literal["probe", "replicate", "snapshot"]


class Progress:
    """One follower. Always ``match < next``; `match` never falls while the leader leads."""

    __slots__ = (
        "heard_ns",
        "match",
        "name",
        "next",
        "overdue_round",
        "paused",
        "round",
        "snapshot",
        "snapshot_offset",
        "snapshot_total",
        "state",
        "window",
    )

    def __init__(self, name: str, next_index: int, heard_ns: int) -> None:
        self.name = name
        self.match = 0
        """The follower holds this index durably, and it is the leader's entry."""
        self.next = next_index
        """The index to send next."""
        self.state: State = "probe"
        self.paused = False
        """In probe: an append is unanswered."""
        self.window: deque[int] = deque()
        """In replicate: the last index of each unacknowledged append, oldest first."""
        self.heard_ns = heard_ns
        """When the follower last answered."""
        self.round = 0
        """The newest heartbeat round it answered."""
        self.overdue_round = 0
        self.snapshot = SnapshotMeta(0, 0, ())
        """In snapshot: what is being sent; `snapshot_offset` is the next byte that the follower needs."""
        self.snapshot_offset = 0
        self.snapshot_total = 0

    def acknowledge(self, index: int) -> bool:
        """Note that the log matches up to `index`; says whether that is news."""
        if index <= self.match:
            return False
        self.match = index
        if index >= self.next:
            self.next = index + 1
        self.overdue_round = 0
        window = self.window
        while window and window[0] <= index:
            window.popleft()
        return True

    def reject(self, index: int, agreement: int) -> bool:
        """Note that an append behind `index` was rejected, the logs agree at `agreement` at most.

        Says whether `next` moved back; a rejection that was overtaken by later answers changes nothing.
        """
        if self.state == "replicate":
            if index <= self.match:
                return False
            self.probe()
            return True
        if self.state == "snapshot" or index != self.next - 1:
            return False
        self.next = max(self.match + 1, min(index, agreement + 1))
        self.paused = False
        return True

    def retry(self) -> None:
        """What was unanswered is lost: ask again, from what matches when more was under way than a probe."""
        if self.state == "replicate":
            self.probe()
        else:
            self.paused = False

    def probe(self) -> None:
        """Ask again behind what is known to match."""
        self._enter("probe")

    def replicate(self) -> None:
        """Send ahead from what is known to match."""
        self._enter("replicate")

    def send_snapshot(self, meta: SnapshotMeta, total: int) -> None:
        """Send the snapshot `meta` of `total` bytes from its first byte."""
        self._enter("snapshot")
        self.snapshot = meta
        self.snapshot_offset = 0
        self.snapshot_total = total

    def note_heartbeat(self, round_number: int) -> None:
        """Note that heartbeat `round_number` goes out: what is unanswered now should be by its reply."""
        if self.overdue_round == 0 and self._unanswered():
            self.overdue_round = round_number

    def take_overdue(self, round_number: int) -> bool:
        """Say, once, whether a reply to heartbeat `round_number` proves that a message was lost."""
        if 0 < self.overdue_round <= round_number:
            self.overdue_round = 0
            return True
        return False

    def _unanswered(self) -> bool:
        if self.state == "replicate":
            return self.match + 1 < self.next
        return self.paused or self.state == "snapshot"

    def _enter(self, state: State) -> None:
        self.state = state
        self.next = self.match + 1
        self.paused = False
        self.overdue_round = 0
        self.window.clear()
