"""A replica's part in changes of membership: what is asked, what is answered, and the file that names the members.

Who may change what and when is decided in `cluster.raft.membership` and `cluster.raft.transfer`; here a request becomes a
call of raft, and what came of it a reply. The file (D8) is written when a configuration is applied. Nothing
depends on it but the eyes of who looks at a disk: what holds is what the log and the snapshot say.

Specification §3.8.9 registers a newcomer's writer before the change; there is nothing to register under while encryption is
not active, so of its crash points only those around the change itself exist here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from cluster.node.peers import Peers, save_peers
from cluster.node.requests import Reply, ok, refused, unknown
from cluster.raft.configuration import Change, Configuration
from cluster.raft.core import Raft

if TYPE_CHECKING:
    from cluster.node.replica import Replica

__all__ = ["Handover", "change_of", "described", "save_configuration"]

HANDOVER_TIMEOUTS = 4
"""Election timeouts after which nobody waits any longer for a leader to show up."""


def described(configuration: Configuration) -> dict[str, Any]:
    """Return a configuration as plain data: ``index``, ``voters``, ``outgoing``, ``learners``."""
    return {
        "index": configuration.index,
        "voters": list(configuration.voters),
        "outgoing": list(configuration.outgoing),
        "learners": list(configuration.learners),
    }


def change_of(body: Mapping[str, Any], reachable: tuple[str, ...]) -> tuple[Change, int]:
    """Return the change that a request asks for, and the index that the present configuration must have (-1: any).

    Raises ValueError for arguments that are none, and for a newcomer whom this node has no way to.
    """
    fields = {name: value for name, value in body.items() if name != "expected_index"}
    try:
        change = msgspec.convert(fields, Change)
        expected_index = msgspec.convert(body.get("expected_index", -1), int)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    for name in change.adds:
        if reachable and name not in reachable:
            raise ValueError(f"nobody has told this node where {name} is")
    return change, expected_index


def save_configuration(replica: Replica, configuration: Configuration) -> None:
    """Write the membership file."""
    config = replica.config
    peers = Peers(node=config.name, voters=config.peers, configuration=configuration)
    save_peers(replica.disk, f"g{replica.group}", peers, replica.probe)


class Handover(msgspec.Struct, frozen=True):
    """Request number `request` waits for `target` to lead."""

    request: int
    target: str
    asked_ns: int

    def outcome(self, raft: Raft, now_ns: int) -> Reply | None:
        """Return what came of it, or None while nobody can tell."""
        if raft.transferee == self.target:
            return None
        if raft.leader == self.target:
            return ok({"leader": self.target, "term": raft.term})
        if raft.role == "leader":
            if raft.summoned:
                return unknown(
                    "DeadlineExceeded",
                    f"{self.target} was asked to campaign, and does not lead yet",
                )
            return refused(
                "Aborted", f"{self.target} did not catch up in time; nothing was changed"
            )
        if raft.leader:
            return unknown("Aborted", f"{raft.leader} leads now")
        if now_ns - self.asked_ns < HANDOVER_TIMEOUTS * raft.config.election_timeout_ns:
            return None
        return unknown("DeadlineExceeded", "no leader has shown up since")
