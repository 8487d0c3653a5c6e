"""The workloads by name. Names and modules only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cluster.machine.entries import OPCODE_KV, OPCODE_REGISTRATION
from cluster.worlds.tape import Stream
from harness.test import Workload
from workloads import append, register, registry
from workloads import set as growing_set

__all__ = ["WORKLOADS", "Offer"]


class Offer(msgspec.Struct, frozen=True):
    """A workload as the campaign takes it: how to make it, how to draw what the scenario leaves open, its usual faults."""

    make: Callable[[Mapping[str, Any]], Workload]
    swarm: Callable[[Stream, Mapping[str, Any]], dict[str, Any]]
    nemeses: tuple[str, ...]
    options: Mapping[str, Any] = {}
    """The workload's own options: name -> type."""
    over_many: Mapping[str, int] = {}
    """Facts that many seeds with the usual faults must have seen together before their pass counts."""
    opcode: int = OPCODE_REGISTRATION
    """Of the entries that it is about: crash points around applying are armed for these."""


_CRASHES = ("crash-replay", "kill", "power", "pause", "partition", "snapshot")

_REPLAYED = {"replayed_noops": 1, "crash_points_hit": 1, "kills": 1, "power_losses": 1}

WORKLOADS: dict[str, Offer] = {
    "append": Offer(append.workload, append.swarm, _CRASHES, append.OPTIONS, opcode=OPCODE_KV),
    "register": Offer(
        register.workload, register.swarm, _CRASHES, register.OPTIONS, opcode=OPCODE_KV
    ),
    "registry": Offer(registry.workload, registry.swarm, _CRASHES, registry.OPTIONS, _REPLAYED),
    "set": Offer(
        growing_set.workload, growing_set.swarm, _CRASHES, growing_set.OPTIONS, opcode=OPCODE_KV
    ),
}
"""Name -> offer."""
