"""What a node's process is told when it starts: its node's configuration and its place in the world. Data only.

The file is JSON; whoever starts nodes writes it. Times are nanoseconds of CLOCK_MONOTONIC, which all
processes of one machine share.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from cluster.node.config import NodeConfig
from cluster.node.requests import CrashOrder

__all__ = ["Address", "ClockRate", "ConfigRefused", "Cuts", "ProcessConfig", "read_process_config"]

Address = tuple[str, int]
"""Host and port."""


class ConfigRefused(ValueError):
    """The configuration file is missing or says something impossible; its writer is at fault."""


class Cuts(msgspec.Struct, frozen=True, kw_only=True):
    """The links of this node that are cut: peers that hear nothing from it, and peers it hears nothing from."""

    to: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()


class ClockRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast this node's monotonic clock runs: parts per million faster than the machine's (slower: negative)."""

    drift_ppm: Annotated[int, msgspec.Meta(gt=-1_000_000, le=1_000_000_000)]


class ProcessConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One node process."""

    node: NodeConfig
    cluster: str
    """Names the cluster; lines from and to another one are refused."""
    listen: Address
    peers: dict[str, Address]
    """Where the other nodes listen."""
    data: str
    """The data directory: the root of the node's disk."""
    undo_log: bool = False
    """Whether the disk remembers what is un-synced: needed for power losses and durability claims."""
    mounted: bool = False
    """Whether `data` is a mount point whose file system loses power by itself (`cluster.storage.mounted_disk`)."""
    trace: str = ""
    """The file that trace events are appended to; ``""``: no trace."""
    run_start_ns: int = 0
    """When the run began; events are stamped relative to it."""
    orders: tuple[CrashOrder, ...] = ()
    """Crash points armed before recovery begins."""
    cuts: Cuts = Cuts()
    drift_ppm: int = 0
    """See `ClockRate`."""
    parent: int = 0
    """Process id of the harness, which this process must not outlive; 0: it stands by itself."""
    parts: tuple[str, ...] = ("cluster.machine.parts", "Parts")
    """Module, callable and arguments that make the parts of a replica."""


def read_process_config(path: str) -> ProcessConfig:
    """Return what the file at `path` says. Raises ConfigRefused."""
    try:
        config = msgspec.json.decode(Path(path).read_bytes(), type=ProcessConfig)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigRefused(f"{path}: {error}") from error
    missing = sorted(set(config.node.peers) - {config.node.name} - set(config.peers))
    if missing:
        raise ConfigRefused(f"{path}: no address for {', '.join(missing)}")
    return config
