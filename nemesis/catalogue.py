"""The nemeses by name. Names and factories only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nemesis.crash_replay import crash_replay
from nemesis.package import Package
from nemesis.partition import partition
from nemesis.process import kill, pause, power
from nemesis.snapshot import snapshot

__all__ = ["NEMESES"]

NEMESES: dict[str, Callable[[Mapping[str, Any]], Package]] = {
    "crash-replay": crash_replay,
    "kill": kill,
    "partition": partition,
    "pause": pause,
    "power": power,
    "snapshot": snapshot,
}
"""Name -> factory; options are `nodes` and, where a nemesis has a pace, `interval_s`."""
