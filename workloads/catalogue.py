"""The workloads by name. Names and modules only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cluster.worlds.tape import Stream
from harness.test import Workload
from workloads import registry

__all__ = ["WORKLOADS", "Offer"]


class Offer(msgspec.Struct, frozen=True):
    """A workload as the campaign takes it: how to make it, how to draw what the scenario leaves open, its usual faults."""

    make: Callable[[Mapping[str, Any]], Workload]
    swarm: Callable[[Stream, Mapping[str, Any]], dict[str, Any]]
    nemeses: tuple[str, ...]


WORKLOADS: dict[str, Offer] = {
    "registry": Offer(
        registry.workload,
        registry.swarm,
        ("crash-replay", "kill", "power", "pause", "partition", "snapshot"),
    ),
}
"""Name -> offer."""
