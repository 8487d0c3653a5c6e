"""What can go wrong with a peer, split by who is at fault.

* the caller asked the wrong node, too much or too early: `NotLeader`, `TooManyInFlight`, `NotNow` (no effect, try again);
* the caller asked for a membership that cannot be: `ChangeRefused` (no effect);
* the caller broke a rule of use: `RaftMisused`, `NotInLog`;
* consensus itself is broken (a peer lies, a disk forgot, a bug): `RaftInvariantBroken`, after which
  the peer must not be used any more.

There is no common root: nobody may handle them alike.
"""

from __future__ import annotations

__all__ = [
    "ChangeRefused",
    "NotInLog",
    "NotLeader",
    "NotNow",
    "RaftInvariantBroken",
    "RaftMisused",
    "TooManyInFlight",
]


class NotLeader(Exception):
    """The call was refused with no effect. `leader` is the name to try, or ``""`` when unknown."""

    def __init__(self, leader: str) -> None:
        super().__init__(f"not the leader; try {leader or 'another node'}")
        self.leader = leader


class TooManyInFlight(Exception):
    """The leader refused a proposal with no effect: `proposals_in_flight_max` are not committed yet."""


class NotNow(Exception):
    """The leader refused with no effect what it may do a little later; the message says what it waits for."""


class ChangeRefused(ValueError):
    """A change of membership, or the target of a transfer, makes no sense; nothing was changed."""


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
