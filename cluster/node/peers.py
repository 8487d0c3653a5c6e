"""The membership file: whose data directory this is, and who its peers are (durable write D8).

It exists so that a node started on another node's disk is refused instead of voting twice. The newest configuration
stands in it for who looks at the disk; the log is what counts.
"""

from __future__ import annotations

from contextlib import closing

import msgspec

from cluster.probe import Probe
from cluster.raft.configuration import Configuration
from cluster.storage.disk import Disk

__all__ = ["Peers", "WrongDisk", "check_peers", "save_peers"]


class WrongDisk(ValueError):
    """The data directory belongs to another node or cluster; nothing was changed. The operator's plan is at fault."""


class Peers(msgspec.Struct, frozen=True):
    """The owner of a data directory, the voters of its cluster's first configuration, and the newest one applied, if another."""

    node: str
    voters: tuple[str, ...]
    configuration: Configuration | None = None


def save_peers(disk: Disk, directory: str, peers: Peers, probe: Probe) -> None:
    """Write the file durably, whole or not at all."""
    path = f"{directory}/peers.json"
    with closing(disk.open(f"{path}.tmp", create=True)) as file:
        file.truncate(0)
        file.write(0, msgspec.json.encode(peers))
        file.fsync()
    disk.rename(f"{path}.tmp", path)
    disk.fsync_dir(directory)
    probe.claim("D8", path)


def check_peers(disk: Disk, directory: str, expected: Peers, probe: Probe) -> Peers:
    """Return what the file says. Raises WrongDisk unless the directory is `expected.node`'s; a fresh one becomes so."""
    path = f"{directory}/peers.json"
    if not disk.exists(path):
        save_peers(disk, directory, expected, probe)
        return expected
    with closing(disk.open(path)) as file:
        content = file.read(0, file.size())
    try:
        found = msgspec.json.decode(content, type=Peers)
    except msgspec.DecodeError as error:
        raise WrongDisk(
            f"{path} is damaged, so nobody knows whose directory this is: {error}"
        ) from error
    if found.node != expected.node:
        raise WrongDisk(
            f"this is the data directory of {found.node}, and {expected.node} was started on it"
        )
    if found.voters != expected.voters:
        raise WrongDisk(
            f"this data directory knows the peers {', '.join(found.voters) or '(none)'}, "
            f"and the node was started with {', '.join(expected.voters)}"
        )
    return found
