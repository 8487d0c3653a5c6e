"""The workloads by name. Names and modules only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import msgspec

from cluster.machine.entries import OPCODE_KV, OPCODE_REGISTRATION
from cluster.worlds.tape import Stream
from harness.test import Workload
from workloads import (
    append,
    bank,
    cas_register,
    counter,
    lock,
    long_fork,
    queue,
    register,
    registry,
    session,
    write_read,
)
from workloads import set as growing_set

__all__ = ["WORKLOADS", "Offer"]


class Offer(msgspec.Struct, frozen=True):
    """A workload as the campaign takes it: how to make it, how to draw what the scenario leaves open, its usual faults."""

    make: Callable[[Mapping[str, Any]], Workload]
    swarm: Callable[[Stream, Mapping[str, Any]], dict[str, Any]]
    nemeses: tuple[str, ...]
    words: str
    """What it is about, in a sentence."""
    options: Mapping[str, Any] = {}
    """The workload's own options: name -> type."""
    over_many: Mapping[str, int] = {}
    """Facts that many seeds with the usual faults must have seen together before their pass counts."""
    opcode: int = OPCODE_KV
    """Of the entries that it is about: crash points around applying are armed for these."""


_CRASHES = ("crash-replay", "kill", "power", "pause", "partition", "snapshot")

_REPLAYED = {"replayed_noops": 1, "crash_points_hit": 1, "kills": 1, "power_losses": 1}


def _offer(room: ModuleType, **fields: Any) -> Offer:
    """Return what a workload's module offers; its first sentence is what it is about."""
    words = (room.__doc__ or "").partition("\n")[0].rstrip(".")
    return Offer(room.workload, room.swarm, _CRASHES, words, options=room.OPTIONS, **fields)


WORKLOADS: dict[str, Offer] = {
    "append": _offer(append),
    "bank": _offer(bank),
    "cas-register": _offer(cas_register),
    "counter": _offer(counter),
    "lock": _offer(lock),
    "long-fork": _offer(long_fork),
    "queue": _offer(queue),
    "register": _offer(register),
    "registry": _offer(registry, over_many=_REPLAYED, opcode=OPCODE_REGISTRATION),
    "session": _offer(session),
    "set": _offer(growing_set),
    "wr": _offer(write_read),
}
"""Name -> offer."""
