"""What the exported ledgers of a run's disks say: promises that a disk did not keep, images that are not what was synced.

A mark in a ledger is a crash point that a node passed, with the entry it had in hand; `PROMISES` is the specification's table of what
is durable there (§3.5 and §3.8, column "durable before"). The node is not asked: where its own claims are silent or wrong, the order of writes,
syncs and marks on its disk is not. At every power loss the image that was found is compared, byte for byte, with the one that
the ledger leaves; a difference there is the disk's own fault, hence the harness's, and no finding against a node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from cluster.ledger import LedgerPart, LedgerRecord
from harness.checkers.evidence import finding
from harness.checkers.ledger_image import LedgerImage, compare

__all__ = ["PROMISES", "LedgerJudgement", "Synced"]

PROMISES: dict[str, tuple[str, str]] = {
    "reg.after_set": ("D1", "store"),
    "reg.after_return": ("D1", "store"),
    "eng.after_set_applied_before_resolve": ("D3", "store"),
    "eng.after_resolve": ("D3", "store"),
    "snap.applied_index_bumped": ("D4", "store"),
    "wal.after_fsync": ("D5", "wal"),
    "snap.dirsynced": ("D6", "snap"),
    "snap.raft_snap_file_written": ("D7", "snap"),
    "snap.wal_snap_record_saved": ("D7", "wal"),
    "inst.wal_saved": ("D7", "wal"),
    "inst.before_restore": ("D7", "snap"),
    "inst.peers_saved": ("D8", "peers.json"),
    "inst.after_restore": ("D9", "store"),
}
"""Crash point -> the durable write that is behind it, and where below the folder of its group that lies."""

_SYNCS = frozenset({"fsync", "fsync_dir"})


class Synced(msgspec.Struct, frozen=True):
    """The sync that made an entry's effect durable on one node: its number in that node's ledger, and what was synced."""

    node: str
    sequence: int
    path: str


class LedgerJudgement:
    """See the module. Read all ledgers of a run first, then look at what was found."""

    def __init__(self, checker: str) -> None:
        self.promises = 0
        """How many marks were judged."""
        self.images = 0
        """How many images were compared."""
        self.not_compared = 0
        self.broken: list[dict[str, Any]] = []
        """Findings against nodes: one for each node, durable write and crash point."""
        self.differences: list[dict[str, Any]] = []
        """Findings against the disk: what differs is nobody's who runs on it."""
        self._checker = checker
        self._told: dict[tuple[str, str, str], None] = {}
        self._synced: dict[tuple[int, int], dict[str, Synced]] = {}

    def read(self, node: str, parts: Iterable[LedgerPart]) -> None:
        """Judge the ledger of one node."""
        image = LedgerImage()
        last: dict[str, Synced] = {}
        """Part of a group's folder (``g0/store``) -> the newest sync in it."""
        for part in parts:
            for record in part.records:
                image.take(record)
                if record.operation == "mark":
                    if not image.inexact and record.path in PROMISES:
                        self._judge(node, record, image, last)
                elif record.operation in _SYNCS:
                    place = "/".join(record.path.split("/")[:2])
                    last[place] = Synced(node, record.sequence, record.path)
            if part.image is not None:
                self._compare(node, part.image, image)

    def synced(self, group: int, index: int) -> list[Synced]:
        """The syncs, one a node, behind which the effect of an entry was durable, as far as ledgers tell."""
        return list(self._synced.get((group, index), {}).values())

    def _judge(
        self, node: str, mark: LedgerRecord, image: LedgerImage, last: dict[str, Synced]
    ) -> None:
        durable_id, part = PROMISES[mark.path]
        group, _, index = mark.source.partition("/")
        place = f"{group}/{part}"
        missing = image.unsynced(place)
        self.promises += 1
        if not missing:
            if part == "store" and place in last:
                entry = (int(group.removeprefix("g")), int(index))
                self._synced.setdefault(entry, {}).setdefault(node, last[place])
            return
        if (told := (node, durable_id, mark.path)) in self._told:
            return
        self._told[told] = None
        what = (
            f"{node} passed {mark.path} at entry {index}, where {durable_id} must be durable, while the ledger of its "
            f"disk shows (record {mark.sequence}): {'; '.join(missing)}"
        )
        self.broken.append(
            finding(
                self._checker,
                "I12",
                what,
                node=node,
                group=int(group.removeprefix("g")),
                index=int(index),
                crash_point=mark.path,
                durable_id=durable_id,
                missing="; ".join(missing),
            )
        )

    def _compare(self, node: str, found: dict[str, tuple[int, int]], image: LedgerImage) -> None:
        if image.inexact:
            self.not_compared += 1
            return
        self.images += 1
        lines = compare(found, image.surviving())
        if lines:
            what = f"after a power loss the disk of {node} is not what its ledger says: {'; '.join(lines)}"
            self.differences.append(finding(self._checker, "disk", what, node=node))
