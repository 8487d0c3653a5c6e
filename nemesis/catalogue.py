"""The nemeses by name. Names and factories only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.client import Nemesis
from nemesis.clock import ClockNemesis, clock
from nemesis.crash_replay import CrashReplayNemesis, crash_replay
from nemesis.disk import DiskNemesis, disk
from nemesis.exact import ExactNemesis
from nemesis.package import Package
from nemesis.packet import PacketNemesis, packet
from nemesis.partition import PartitionNemesis, partition
from nemesis.process import ProcessNemesis, kill, pause, power
from nemesis.snapshot import SnapshotNemesis, snapshot

__all__ = ["EVERY", "NEMESES", "OPERATIONS"]

NEMESES: dict[str, Callable[[Mapping[str, Any]], Package]] = {
    "clock": clock,
    "crash-replay": crash_replay,
    "disk": disk,
    "kill": kill,
    "packet": packet,
    "partition": partition,
    "pause": pause,
    "power": power,
    "snapshot": snapshot,
}
"""Name -> factory; options are `nodes` and, where a nemesis has a pace, `interval_s`."""

EVERY: tuple[Callable[[], Nemesis], ...] = (
    ClockNemesis,
    CrashReplayNemesis,
    DiskNemesis,
    ExactNemesis,
    PacketNemesis,
    PartitionNemesis,
    ProcessNemesis,
    SnapshotNemesis,
)
"""What acts; together they understand all of `OPERATIONS`."""

OPERATIONS: dict[str, frozenset[str]] = {
    "arm": frozenset({"crash-points"}),
    "await-exit": frozenset(),
    "crash-point": frozenset({"crash-points", "kill", "power", "inspect"}),
    "degrade": frozenset({"link-faults"}),
    "disarm": frozenset({"crash-points"}),
    "disk-fault": frozenset({"disk-faults", "power"}),
    "dump": frozenset({"disk-dump"}),
    "heal": frozenset({"cut"}),
    "kill": frozenset({"kill"}),
    "partition": frozenset({"cut"}),
    "pause": frozenset({"pause"}),
    "power-loss": frozenset({"power"}),
    "resume": frozenset(),
    "skew": frozenset({"clock-rate"}),
    "snapshot": frozenset({"inspect"}),
    "start": frozenset(),
    "start-partition": frozenset({"cut"}),
    "stop-partition": frozenset({"cut"}),
}
"""Everything that an exact fault of a scenario file may ask for, and what its world must be able to do."""
