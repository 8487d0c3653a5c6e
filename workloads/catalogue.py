"""The workloads by name. Names and modules only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    "bank": Offer(bank.workload, bank.swarm, _CRASHES, bank.OPTIONS, opcode=OPCODE_KV),
    "cas-register": Offer(
        cas_register.workload,
        cas_register.swarm,
        _CRASHES,
        cas_register.OPTIONS,
        opcode=OPCODE_KV,
    ),
    "counter": Offer(counter.workload, counter.swarm, _CRASHES, counter.OPTIONS, opcode=OPCODE_KV),
    "lock": Offer(lock.workload, lock.swarm, _CRASHES, lock.OPTIONS, opcode=OPCODE_KV),
    "long-fork": Offer(
        long_fork.workload, long_fork.swarm, _CRASHES, long_fork.OPTIONS, opcode=OPCODE_KV
    ),
    "queue": Offer(queue.workload, queue.swarm, _CRASHES, queue.OPTIONS, opcode=OPCODE_KV),
    "register": Offer(
        register.workload, register.swarm, _CRASHES, register.OPTIONS, opcode=OPCODE_KV
    ),
    "registry": Offer(registry.workload, registry.swarm, _CRASHES, registry.OPTIONS, _REPLAYED),
    "session": Offer(session.workload, session.swarm, _CRASHES, session.OPTIONS, opcode=OPCODE_KV),
    "set": Offer(
        growing_set.workload, growing_set.swarm, _CRASHES, growing_set.OPTIONS, opcode=OPCODE_KV
    ),
    "wr": Offer(
        write_read.workload, write_read.swarm, _CRASHES, write_read.OPTIONS, opcode=OPCODE_KV
    ),
}
"""Name -> offer."""
