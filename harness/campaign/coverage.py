"""What a run has reached, as cells. A fold over the trace.

Three kinds of cells. *Crash* cells say where a node was struck: crash point, what the strike was, the node's role, what it was doing (its
phase) and the operation in its hand. *Raft* cells say in what situation something happened to a node: what happened and what had happened
to it before; its role, its term and its log beside the others'; and how many of the others are up, lead and campaign. *Entry* cells say what
became of an entry that was applied. They are coarse on purpose: a cell that every run reaches says nothing, and neither does
one that no two runs share.

Nothing is judged here, and nothing is drawn. Events that are frequent only move what is known of their node; the
situation is looked at when something rare happens, so that a fold costs little beside the run (benchmarks/default_scenario.py).

Sources of the idea: American fuzzy lop's edges; abstract states of Raft as in Mallory (Meng et al. 2023) and ModelFuzz.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from cluster.trace import (
    Appended,
    Applied,
    Committed,
    Event,
    Fault,
    Halted,
    HitPoint,
    Installed,
    Reconfigured,
    RoleChanged,
    SnapshotTaken,
    Started,
    Stopped,
    Transferred,
)

__all__ = ["CRASH", "ENTRY", "RAFT", "Cell", "cells_of"]

Cell: TypeAlias = tuple[str | int, ...]
"""The kind (`CRASH`, `RAFT`, `ENTRY`), then what the kind says."""

CRASH: Final = "crash"
RAFT: Final = "raft"
ENTRY: Final = "entry"

FEW = 3
"""Up to so many entries are few."""


class _Node:
    """What is known of one replica; it is fast because it is looked at for every event."""

    __slots__ = (
        "applied",
        "before",
        "commit",
        "last_index",
        "last_term",
        "replays_to",
        "role",
        "term",
        "up",
    )

    def __init__(self) -> None:
        self.up = False
        self.role = "follower"
        self.term = self.last_index = self.last_term = 0
        self.commit = self.applied = self.replays_to = 0
        self.before = "nothing"


_Nodes: TypeAlias = dict[tuple[str, int], _Node]


def cells_of(trace: Sequence[Event]) -> list[Cell]:
    """Return the cells that a run with this trace has reached, each once, in the order in which it did."""
    nodes: _Nodes = {}
    found: dict[Cell, None] = {}
    for event in trace:
        kind = type(event)
        key = (event.node, event.group)
        node = nodes.get(key)
        if node is None:
            node = nodes[key] = _Node()
        if isinstance(event, Applied):
            node.applied = event.index
            cell: Cell | None = (
                ENTRY,
                event.opcode,
                event.decision,
                event.error_class,
                "replayed" if event.replay else "first",
                node.role,
            )
        elif isinstance(event, Committed):
            node.commit = max(node.commit, event.index)
            continue
        elif isinstance(event, Appended):
            cell = _appended(node, event, nodes)
        else:
            cell = _rare(kind, node, event, nodes)
        if cell is not None:
            found[cell] = None
    return list(found)


def _appended(node: _Node, event: Appended, nodes: _Nodes) -> Cell | None:
    first, last = event.entries[0], event.entries[-1]
    overwritten = node.last_index + 1 - first[0]
    node.last_index, node.last_term = last[0], last[1]
    if overwritten <= 0:
        return None
    return (RAFT, "overwritten", _amount(overwritten), *_situation(node, nodes))


def _rare(kind: type, node: _Node, event: Any, nodes: _Nodes) -> Cell | None:
    say = _WHAT.get(kind)
    what = say(event) if say is not None else None
    if what is None:
        return None
    if kind is HitPoint:
        phase = _phase(node, nodes)
        node.before = "hit"
        return (CRASH, event.point, event.action, event.role, phase, event.opcode)
    if isinstance(event, Started):
        what = f"{what}{_lost(node, event)}"
    cell = (RAFT, what, node.before, *_situation(node, nodes))
    _move(kind, node, event)
    if kind is not Fault:
        node.before = what.partition(" ")[0]
    return cell


def _move(kind: type, node: _Node, event: Any) -> None:
    """Let what happened to the node be known of it."""
    if kind is RoleChanged:
        node.role, node.term = event.role, event.term
        node.last_index, node.last_term = event.last_index, event.last_term
    elif kind is Started:
        node.up, node.role = True, "follower"
        node.last_index, node.replays_to = event.last_index, max(event.commit, event.row_horizon)
        node.commit, node.applied = event.commit, event.have
    elif kind is Stopped:
        node.up = False


def _situation(node: _Node, nodes: _Nodes) -> tuple[str | int, ...]:
    """The node beside the others, and the others."""
    up = leaders = rivals = 0
    top_term = best_term = best_index = commit = 0
    for other in nodes.values():
        if other.up:
            up += 1
            top_term = max(top_term, other.term)
            leaders += other.role == "leader"
            rivals += other.role in ("candidate", "pre_candidate")
        best_term, best_index = max((best_term, best_index), (other.last_term, other.last_index))
        commit = max(commit, other.commit)
    if node.last_term == best_term:
        log = "best" if node.last_index == best_index else "shorter"
    else:
        log = "older" if node.last_index <= best_index else "apart"
    return (
        node.role,
        "top" if node.term >= top_term else "behind",
        log,
        _amount(best_index - commit),
        min(leaders, 2),
        min(rivals, 2),
        "most" if 2 * up > len(nodes) else "few",
    )


def _phase(node: _Node, nodes: _Nodes) -> str:
    """What the node is doing, in one word."""
    if node.applied < node.replays_to:
        return "replaying"
    if any(one.up and one.role == "leader" for one in nodes.values()):
        return "serving"
    return "electing"


def _amount(count: int) -> str:
    return "none" if count <= 0 else "few" if count <= FEW else "many"


def _started(event: Started) -> str:
    torn = " torn" if event.torn_bytes else ""
    return f"started {_amount(event.commit - event.have)}{' restored' * event.restored}{torn}"


def _lost(node: _Node, event: Started) -> str:
    """What of its log the disk did not keep."""
    return f" lost {_amount(node.last_index - event.last_index)}"


def _reconfigured(event: Reconfigured) -> str:
    return f"reconfigured{' joint' * bool(event.outgoing)}{' applied' * event.applied}"


_WHAT: dict[type, Callable[[Any], str | None]] = {
    RoleChanged: lambda event: event.role,
    Started: _started,
    Stopped: lambda event: f"stopped {event.cause}",
    Halted: lambda event: f"halted {event.error_class}",
    SnapshotTaken: lambda _event: "snapshot",
    Installed: lambda _event: "installed",
    Reconfigured: _reconfigured,
    Transferred: lambda _event: "transferred",
    HitPoint: lambda event: event.point,
    Fault: lambda event: None if event.action == "dropped" else f"fault {event.action}",
}
