"""The nemeses by name. Names and factories only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.client import Nemesis
from nemesis.catch_up import CatchUpNemesis
from nemesis.clients import ClientsNemesis, clients
from nemesis.clock import ClockNemesis, clock
from nemesis.crash_replay import CrashReplayNemesis, crash_replay
from nemesis.disk import DiskNemesis, disk
from nemesis.exact import ExactNemesis
from nemesis.files import FilesNemesis
from nemesis.limits import LimitsNemesis
from nemesis.membership import MembershipNemesis, membership
from nemesis.package import Package
from nemesis.packet import PacketNemesis, packet
from nemesis.partition import PartitionNemesis, partition
from nemesis.process import ProcessNemesis, kill, pause, power, reconfigure, restart_loop
from nemesis.realtime import RealtimeNemesis, realtime
from nemesis.snapshot import SnapshotNemesis, snapshot

__all__ = ["EVERY", "NEMESES", "OPERATIONS", "REFUSED"]

NEMESES: dict[str, Callable[[Mapping[str, Any]], Package]] = {
    "clients": clients,
    "clock": clock,
    "crash-replay": crash_replay,
    "disk": disk,
    "kill": kill,
    "membership": membership,
    "packet": packet,
    "partition": partition,
    "pause": pause,
    "power": power,
    "realtime": realtime,
    "reconfigure": reconfigure,
    "restart-loop": restart_loop,
    "snapshot": snapshot,
}
"""Name -> factory; options are `nodes` and, where a nemesis has a pace, `interval_s`."""

REFUSED = frozenset({"disk"})
"""Nemeses whose right answer is not that everything survives: a node that meets EIO or a full disk refuses or halts."""

EVERY: tuple[Callable[[], Nemesis], ...] = (
    CatchUpNemesis,
    ClientsNemesis,
    ClockNemesis,
    CrashReplayNemesis,
    DiskNemesis,
    ExactNemesis,
    FilesNemesis,
    LimitsNemesis,
    MembershipNemesis,
    PacketNemesis,
    PartitionNemesis,
    ProcessNemesis,
    RealtimeNemesis,
    SnapshotNemesis,
)
"""What acts; together they understand all of `OPERATIONS`."""

_MEMBERSHIP = frozenset({"inspect", "kill", "membership"})

OPERATIONS: dict[str, frozenset[str]] = {
    "add-learner": _MEMBERSHIP,
    "arm": frozenset({"crash-points"}),
    "await-exit": frozenset(),
    "bitflip": frozenset({"file-faults"}),
    "bump-clock": frozenset({"realtime"}),
    "catch-up": frozenset({"inspect"}),
    "crash-point": frozenset({"crash-points", "kill", "power", "inspect"}),
    "cut-clients": frozenset({"cut-clients"}),
    "degrade": frozenset({"link-faults"}),
    "disarm": frozenset({"crash-points"}),
    "disk-fault": frozenset({"disk-faults", "power"}),
    "dump": frozenset({"disk-dump"}),
    "heal": frozenset({"cut"}),
    "join": _MEMBERSHIP,
    "keep": frozenset({"file-faults"}),
    "kill": frozenset({"kill"}),
    "limit": frozenset({"limits"}),
    "limit-disk": frozenset({"limit-disk"}),
    "limit-files": frozenset({"limit-files"}),
    "partition": frozenset({"cut"}),
    "pause": frozenset({"pause"}),
    "power-loss": frozenset({"power"}),
    "promote": _MEMBERSHIP,
    "reconfigure": frozenset({"kill"}),
    "remove": _MEMBERSHIP,
    "replace": _MEMBERSHIP,
    "reset-clock": frozenset({"realtime"}),
    "restart-loop": frozenset({"kill"}),
    "resume": frozenset(),
    "settle-membership": _MEMBERSHIP,
    "skew": frozenset({"clock-rate"}),
    "snapshot": frozenset({"inspect"}),
    "stale": frozenset({"file-faults"}),
    "start": frozenset(),
    "start-partition": frozenset({"cut"}),
    "stop-partition": frozenset({"cut"}),
    "strobe-clock": frozenset({"realtime"}),
    "swap-disks": frozenset({"file-faults"}),
    "transfer": _MEMBERSHIP,
    "truncate": frozenset({"file-faults"}),
    "wipe": frozenset({"file-faults"}),
}
"""Everything that an exact fault of a scenario file may ask for, and what its world must be able to do."""
