"""What can go wrong with a peer, split by who is at fault.

* the caller asked the wrong node or too much: `NotLeader`, `TooManyInFlight` (no effect, try again);
* the caller broke a rule of use: `RaftMisused`, `NotInLog`;
* consensus itself is broken (a peer lies, a disk forgot, a bug): `RaftInvariantBroken`, after which
  the peer must not be used any more.

There is no common root: nobody may handle them alike.
"""

from __future__ import annotations

__all__ = ["NotInLog", "NotLeader", "RaftInvariantBroken", "RaftMisused", "TooManyInFlight"]


class NotLeader(Exception):
    """The call was refused with no effect. `leader` is the name to try, or ``""`` when unknown."""

    def __init__(self, leader: str) -> None:
        super().__init__(f"not the leader; try {leader or 'another node'}")
        self.leader = leader


class TooManyInFlight(Exception):
    """The leader refused a proposal with no effect: `proposals_in_flight_max` are not committed yet."""


class NotInLog(LookupError):
    """The caller asked for an index that was compacted away or is not written yet."""


class RaftMisused(Exception):
    """The caller broke a rule of `cluster.raft`; the message says which. A bug of the node."""


class RaftInvariantBroken(Exception):
    """Something happened that raft proves impossible: the peer must stop and its disk be kept.

    The message begins with the name of the peer that noticed and says who or what is suspect.
    """

    def __init__(self, peer: str, what: str) -> None:
        super().__init__(f"{peer}: {what}")
        self.peer = peer
        self.what = what
