"""Every seeded bug by its id. A further file of bugs is one more line in `_ALL`."""

from __future__ import annotations

from cluster.bugs import (
    apply_bugs,
    commit_bugs,
    disk_bugs,
    early_bugs,
    election_bugs,
    kv_bugs,
    raft_bugs,
    read_bugs,
    registry_bugs,
    snapshot_bugs,
)
from cluster.bugs.bug import Bug
from cluster.bugs.pending import PENDING
from cluster.machine.parts import Parts

__all__ = ["CATALOGUE", "PENDING", "UnknownBug", "get", "parts_with"]

_ALL: tuple[Bug, ...] = (
    *registry_bugs.BUGS,
    *raft_bugs.BUGS,
    *election_bugs.BUGS,
    *commit_bugs.BUGS,
    *apply_bugs.BUGS,
    *read_bugs.BUGS,
    *disk_bugs.BUGS,
    *snapshot_bugs.BUGS,
    *kv_bugs.BUGS,
    *early_bugs.BUGS,
)

CATALOGUE: dict[str, Bug] = {bug.id: bug for bug in _ALL}

assert len(CATALOGUE) == len(_ALL), "two bugs share an id"


class UnknownBug(ValueError):
    """There is no bug of that id; the message lists those there are."""


def get(bug_id: str) -> Bug:
    """Return the bug named `bug_id`. Raises UnknownBug."""
    bug = CATALOGUE.get(bug_id)
    if bug is None:
        raise UnknownBug(f"no bug {bug_id!r}; there are {', '.join(CATALOGUE)}")
    return bug


def parts_with(bug_id: str) -> Parts:
    """Return the parts of a node with the bug named `bug_id` planted. Raises UnknownBug."""
    return get(bug_id).planted_in(Parts())
