"""One replica's story so far, as a judge needs it at its next step: how far it applied, and what was done to it.

Here lives the bookkeeping that several judges of applied entries share: where a life began, how far the store may be
ahead of the log, whether an entry is a replay, and which injected fault excuses a halt. Nothing here judges.
"""

from __future__ import annotations

from collections.abc import Sequence

from cluster.trace import Applied, Event, Fault, Halted, HitPoint, Installed, Started, Stopped
from harness.checkers.trace_views import once_per_trace, rare_events

__all__ = [
    "DISK_HEALED",
    "EFFECT_POINTS",
    "ROW_CORRUPT",
    "Story",
    "corrupt_replicas",
    "is_disk_fault",
    "is_file_damage",
]

EFFECT_POINTS = frozenset(
    {
        "reg.mid_set",
        "reg.after_set",
        "reg.after_return",
        "eng.after_apply_before_set_applied",
        "eng.after_set_applied_before_resolve",
        "eng.after_resolve",
    }
)
"""Crash points behind which the entry in hand may have left effects, though no `Applied` event tells."""

_STORE_ERRORS = frozenset({"reg.get_error", "reg.close_error", "reg.set_error"})
ROW_CORRUPT = "reg.row_corrupt"
"""The injected failure that leaves a damaged row in the store, until the store is rebuilt."""

_ABOUT_THE_ENTRY = frozenset(
    {
        "FsmWireMalformed",
        "FsmWireSubtagError",
        "FsmWireVersionError",
        "KekNotConfigured",
        "LocalEpochRollback",
        "UnknownEncryptionOpcode",
        "WriterUint16Collision",
    }
)
"""Halts that no broken disk excuses: they say that the entry is wrong."""


_FILE_DAMAGE = frozenset({"disk-flip", "disk-stale", "disk-swap", "disk-truncate", "disk-wipe"})
_DISK_FAULTS = frozenset({"disk-eio", "disk-full", "disk-small"}) | _FILE_DAMAGE
"""Actions of the world after which a correct node may fail; a slow disk, or a mended one, is no excuse."""

DISK_HEALED = "disk-heal"
"""What the world calls the mending of a disk."""


def is_disk_fault(event: Fault) -> bool:
    """Whether the world broke a disk so that its node may fail."""
    return event.action in _DISK_FAULTS


def is_file_damage(event: Fault) -> bool:
    """Whether the world damaged files of a disk: mending the disk brings none of them back."""
    return event.action in _FILE_DAMAGE


@once_per_trace
def corrupt_replicas(trace: Sequence[Event]) -> dict[tuple[str, int], None]:
    """Return the (node, group) whose store ends with a row that was damaged on purpose."""
    found: dict[tuple[str, int], None] = {}
    for event in rare_events(trace):
        if isinstance(event, HitPoint) and event.point == ROW_CORRUPT:
            found[event.node, event.group] = None
        elif isinstance(event, Installed) or (isinstance(event, Started) and event.restored):
            found.pop((event.node, event.group), None)
    return found


class Story:
    """State of one group on one node. Feed it that node's events in order, each *after* judging it."""

    __slots__ = (
        "applied",
        "disk_broken",
        "disk_damaged",
        "disk_fault",
        "halted_at",
        "horizon",
        "in_hand",
        "incarnation",
        "judged_halt",
        "must_halt",
        "poisoned_at",
        "reached",
        "row_corrupt",
        "start",
        "stop_cause",
        "store_error",
    )

    def __init__(self) -> None:
        self.incarnation = 0
        self.applied = -1
        """Highest index applied in this life; -1 before the first start was seen."""
        self.start = 0
        """Applied index this life began with: the effects of everything up to it must be in the store."""
        self.horizon = 0
        """Highest raft index whose effect a row in the store may carry, beyond `applied`."""
        self.reached = 0
        """Highest index that this data directory ever applied, or that an earlier life had in hand when it died."""
        self.in_hand = 0
        """Highest index at which this life met a crash point, perhaps with effects that no event tells."""
        self.halted_at = 0
        """Index at which this life halted; 0: it did not."""
        self.judged_halt = False
        """Whether that halt was judged already: it is told twice, as `Applied` and as `Halted`."""
        self.poisoned_at = 0
        """Index at which every later life must halt too; 0: none."""
        self.must_halt = False
        """Whether this life began knowing that entry committed."""
        self.store_error: HitPoint | None = None
        """The failure of the store injected in this life."""
        self.row_corrupt = False
        self.disk_broken = False
        self.disk_damaged = False
        self.disk_fault = False
        """Whether the disk was broken at any time in this life."""
        self.stop_cause = ""

    def is_replay(self, event: Applied) -> bool:
        """Whether this data directory has applied the entry before, or died while it did."""
        return event.replay or event.index <= self.reached

    def started(self, event: Started) -> None:
        """A new life: its applied index is the snapshot's when the store was rebuilt, else what the store says."""
        self.incarnation = event.incarnation
        self.reached = max(self.reached, self.in_hand)
        self.in_hand = 0
        restored = event.snapshot_index
        self.start = restored if event.restored else max(event.have, restored)
        self.row_corrupt = self.row_corrupt and not event.restored
        self.applied = self.start
        self.horizon = max(event.row_horizon, 0 if event.restored else self.reached)
        self.halted_at = 0
        self.disk_fault = self.disk_broken
        self.judged_halt = False
        self.must_halt = 0 < self.poisoned_at <= event.commit
        self.store_error = None

    def installed(self, event: Installed) -> None:
        """The store now is the leader's snapshot."""
        self.applied = self.start = event.index
        self.row_corrupt = False
        self.reached = max(self.reached, event.index)
        self.horizon = event.index

    def fault(self, event: Fault) -> None:
        """The world did something to the node; only its disk matters here."""
        if is_disk_fault(event):
            self.disk_broken = self.disk_fault = True
            self.disk_damaged |= is_file_damage(event)
        elif event.action == DISK_HEALED:
            self.disk_broken = self.disk_damaged

    def hit(self, event: HitPoint) -> None:
        """A crash point struck, or a failure of the store was injected."""
        if event.action == "error":
            if event.point == ROW_CORRUPT:
                self.row_corrupt = True
            elif event.point in _STORE_ERRORS:
                self.store_error = event
        elif event.point in EFFECT_POINTS:
            self.in_hand = max(self.in_hand, event.index)

    def took(self, event: Applied) -> None:
        """An entry was applied."""
        self.applied = max(self.applied, event.index)
        self.reached = max(self.reached, event.index)

    def halted(self, event: Applied | Halted) -> None:
        """The life ends at this entry."""
        self.halted_at = event.index

    def stopped(self, event: Stopped) -> None:
        """The process is gone."""
        self.stop_cause = event.cause

    def local_cause(self, index: int, error_class: str) -> str:
        """Name the injected fault that excuses a halt at `index` with `error_class`; empty when none does."""
        if self.store_error is not None and self.store_error.index == index:
            return self.store_error.point
        if self.row_corrupt and error_class == "RegistryValueMalformed":
            return ROW_CORRUPT
        if self.disk_fault and error_class not in _ABOUT_THE_ENTRY:
            return "a disk fault"
        return ""
