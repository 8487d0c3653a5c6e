"""The nemeses by name. Names and factories only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nemesis.crash_replay import CrashReplayNemesis, crash_replay
from nemesis.package import Package
from nemesis.partition import PartitionNemesis, partition
from nemesis.process import ProcessNemesis, kill, pause, power
from nemesis.snapshot import SnapshotNemesis, snapshot

__all__ = ["NEMESES", "OPERATIONS"]

NEMESES: dict[str, Callable[[Mapping[str, Any]], Package]] = {
    "crash-replay": crash_replay,
    "kill": kill,
    "partition": partition,
    "pause": pause,
    "power": power,
    "snapshot": snapshot,
}
"""Name -> factory; options are `nodes` and, where a nemesis has a pace, `interval_s`."""

OPERATIONS = frozenset(
    {
        *CrashReplayNemesis.fs,
        *PartitionNemesis.fs,
        *ProcessNemesis.fs,
        *SnapshotNemesis.fs,
    }
)
"""Everything that an exact fault of a scenario file may ask for."""
