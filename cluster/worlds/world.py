"""The `World`: where nodes run and what can be done to them; the harness speaks to nothing else.

`sim` and `local` (later `docker`, `ssh`) implement it and pass one contract suite. A world also owns
time and concurrency, so that one interpreter and one set of clients serve simulated and real time:
everything that waits is written as ``async def`` over the few awaitables here and never imports asyncio.

Capabilities are words: ``kill power pause cut delay loss crash-points inspect ...``; what a scenario
needs beyond them is refused before anything starts.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from cluster.node.requests import CrashOrder, Reply, Request
from cluster.trace import Event

__all__ = [
    "ClientFaults",
    "ClockFaults",
    "Connection",
    "CrashOrder",
    "DiskFault",
    "DiskFaults",
    "FileDamage",
    "FileFaults",
    "FileLimits",
    "Limits",
    "LinkFault",
    "LinkFaults",
    "Mailbox",
    "RealtimeFaults",
    "Reply",
    "Request",
    "ResourceFaults",
    "SpareNodes",
    "Timeline",
    "World",
]

Item = TypeVar("Item")


class Connection(Protocol):
    """A client's line to one node. Owned by one process at a time."""

    node: str

    async def call(self, request: Request, timeout_ns: int) -> Reply:
        """Send and wait. Never raises for anything that happens to the node or the network."""

    def close(self) -> None:
        """Drop the line; a call still open ends ``unknown``."""


class Mailbox(Protocol, Generic[Item]):
    """An unbounded queue between coroutines of one world."""

    def put(self, item: Item) -> None:
        """Append; wakes the reader."""

    async def get(self, until_ns: int | None) -> Item | None:
        """Return the next item, or None when world time reaches `until_ns` first (None: wait for ever)."""


class Timeline(Protocol):
    """Time and concurrency of a world."""

    def now_ns(self) -> int:
        """Nanoseconds since the run started."""

    async def sleep(self, duration_ns: int) -> None:
        """Wait."""

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run beside the caller. An exception in it ends the run as an internal error."""

    def mailbox(self) -> Mailbox[Any]:
        """A fresh mailbox."""


class DiskFault(msgspec.Struct, frozen=True, kw_only=True):
    """What fails below `path`: ``eio`` (every fsync), ``full`` (every write, ENOSPC), ``slow`` (fsyncs take `extra_ns` more)."""

    kind: Literal["eio", "full", "slow"]
    path: str = ""
    extra_ns: int = 0


class LinkFault(msgspec.Struct, frozen=True, kw_only=True):
    """A bad link: every message is lost or doubled with these probabilities, or `delay_ns` and up to twice that late.

    Real links also know `jitter_ns` (up to so much later still, each packet on its own), `reordering` (the share of packets
    that overtake the delayed ones) and `bandwidth_bps` (bits per second; 0: no limit). Simulated links, whose messages
    overtake each other anyway, take the first three.
    """

    delay_ns: int = 0
    loss: float = 0.0
    duplication: float = 0.0
    jitter_ns: int = 0
    reordering: float = 0.0
    bandwidth_bps: int = 0


class FileDamage(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to the files of a node that is down.

    ``flip`` inverts `count` drawn bits of `path`, ``truncate`` cuts `count` bytes off its end, ``keep`` puts a copy of `path`
    aside, ``stale`` puts the copy back, ``wipe`` removes everything below `path`, ``swap`` exchanges the whole disk with that
    of the node `other`. `path` is relative to the data directory; ``""`` is all of it; a pattern such as ``kv/*.db`` means the
    first match in order of names. `seed` decides which bits.
    """

    kind: Literal["flip", "truncate", "keep", "stale", "wipe", "swap"]
    path: str = ""
    count: int = 1
    other: str = ""
    seed: int = 0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a node may use at most; 0: as much as there is."""

    cpu_percent: int = 0
    memory_bytes: int = 0
    open_files: int = 0


class World(Timeline, Protocol):
    """A place where a cluster runs. All methods that act return when the act is done.

    Acting on a node in the wrong state (killing a dead one) does nothing. Whatever was changed on links, clocks
    and disks is undone by `heal`, `resume` and `down`.
    """

    name: str
    nodes: tuple[str, ...]
    capabilities: frozenset[str]

    async def up(self) -> None:
        """Bring every node up and wait until each answers. Raises WorldFailed with the tail of the node's log."""

    async def down(self) -> None:
        """End everything and undo everything; safe to call at any time, twice too."""

    def running(self, node: str) -> bool:
        """Whether the node's process exists (paused ones do)."""

    async def start(self, node: str, **changes: Any) -> None:
        """Start a node that is down, with configuration `changes` from now on; returns when it serves, halts or dies."""

    async def kill(self, node: str) -> None:
        """SIGKILL: page cache survives."""

    async def power_loss(self, node: str) -> None:
        """Kill, and forget everything not fsynced (in `sim` a random subset of un-synced sectors survives)."""

    async def pause(self, node: str) -> None:
        """SIGSTOP."""

    async def resume(self, node: str) -> None:
        """SIGCONT."""

    async def cut(self, links: Sequence[tuple[str, str]]) -> None:
        """Drop everything from first to second of each pair, from now on, replacing earlier cuts."""

    async def heal(self) -> None:
        """Undo every network fault."""

    async def arm(self, node: str, order: CrashOrder) -> None:
        """Arm a crash point. Orders die with the process; one given to a node that is down holds from its
        next start on, recovery included. Raises UnknownCrashPoint.
        """

    async def disarm(self, node: str) -> None:
        """Forget every order of the node that has not struck."""

    async def wait_exit(self, node: str, timeout_ns: int) -> int | None:
        """Wait until the node's process is gone; its exit code (78: halted, -9: killed), or None after the timeout."""

    def connect(self, node: str) -> Connection:
        """A new line to a node; costs nothing until the first call."""

    async def inspect(self, node: str, group: int = 0) -> dict[str, Any] | None:
        """The node's live state (O6), or None when it does not answer."""

    async def disk_dump(self, node: str) -> dict[str, Any]:
        """Read the stopped node's disk without recovery (O5)."""

    def trace(self) -> Sequence[Event]:
        """All events so far, in time order."""


class DiskFaults(Protocol):
    """What a world with the capability ``disk-faults`` can do besides."""

    async def disk_fault(self, node: str, fault: DiskFault) -> None:
        """Let the node's disk fail from now on."""

    async def disk_heal(self, node: str) -> None:
        """Let the node's disk work again; what a failed fsync dropped stays dropped."""


class LinkFaults(Protocol):
    """What a world with the capability ``link-faults`` can do besides. Undone by `World.heal`."""

    async def degrade(self, links: Sequence[tuple[str, str]], fault: LinkFault) -> None:
        """Let messages on these directed links fare as `fault` says from now on."""


class ClockFaults(Protocol):
    """What a world with the capability ``clock-rate`` can do besides."""

    async def clock_rate(self, node: str, drift_ppm: int) -> None:
        """Let the node's monotonic clock run fast by so many parts per million (slow: negative), without a jump."""


class ClientFaults(Protocol):
    """What a world with the capability ``cut-clients`` can do besides."""

    async def cut_clients(self, nodes: Sequence[str]) -> None:
        """Drop everything between clients and these nodes, from now on, replacing earlier such cuts. Undone by `World.heal`."""


class RealtimeFaults(Protocol):
    """What a world with the capability ``realtime`` can do besides. The node's waits and timers are not touched."""

    async def set_realtime(self, node: str, offset_ns: int, drift_ppm: int) -> None:
        """Let the node's wall clock be off by so much and drift from there; zeros put it right."""


class FileFaults(Protocol):
    """What a world with the capability ``file-faults`` can do besides."""

    async def damage(self, node: str, damage: FileDamage) -> dict[str, Any]:
        """Damage files of a node that is down; returns what was done, as data (path, offsets ...).

        Raises WorldFailed when the node runs. Not undone: a damaged disk stays damaged.
        """


class ResourceFaults(Protocol):
    """What a world with the capability ``limits`` can do besides. Undone by `down` and by `Limits()`."""

    async def limit(self, node: str, limits: Limits) -> None:
        """Let the node have no more than this from now on."""


class FileLimits(Protocol):
    """What a world with the capability ``limit-files`` can do besides. Dies with the nodes."""

    async def limit_files(self, node: str, open_files: int) -> None:
        """Let the node have no more open files than this from now on; 0: as many as there may be. What is open stays open."""


class DiskLimits(Protocol):
    """What a world with the capability ``limit-disk`` can do besides. Dies with the world."""

    async def limit_disk(self, node: str, disk_bytes: int) -> None:
        """Let the files of the node have so many bytes together and no more; 0, and `disk_heal`: as many as there is room for.

        What is there stays.
        """


class SpareNodes(Protocol):
    """What a world with the capability ``membership`` can do besides: nodes that are no members of the first configuration.

    Spares are nodes of the world like any other, named in `World.nodes` after the `members`; `World.up` leaves them down,
    and so does `World.start` until `start_spare` has started them once. A spare's disk is empty until then; joining
    is the business of the cluster's own membership changes.
    """

    members: tuple[str, ...]
    """The nodes of the first configuration."""

    async def start_spare(self, node: str) -> None:
        """Start a spare that has never run; it knows nobody's log, waits to be added, and serves nothing until then."""
