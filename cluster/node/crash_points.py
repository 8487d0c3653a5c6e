"""The catalogue of crash points, and the probe that strikes there.

Names follow the specification's §3.8.1 (every entry), §3.8.2 (registration), §3.8.7 (local snapshot), §3.8.8
(installing a received snapshot) and §3.8.9 (change of membership). What striking *means* is the world's business: it hands in a `Strike`.
The order of the `inst.*` points is the repaired one: the raft snapshot record is saved before the store is
swapped, so a crash between them means "restore again", never an applied index beyond the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cluster.node.requests import CrashOrder
from cluster.storage.disk import Disk
from cluster.trace import Event, FalseClaim, HitPoint, Passed

__all__ = ["CATALOGUE", "FAILURE_POINTS", "NodeProbe", "Strike", "UnknownCrashPoint", "check_order"]

CATALOGUE: dict[str, str] = {
    "wal.before_append": "an entry or vote is about to be written to the log",
    "wal.torn_tail": "half of a log frame is written",
    "wal.after_write_before_fsync": "the log frame is written, not fsynced",
    "wal.after_fsync": "the log frame is durable",
    "eng.after_send_before_apply": "peers were informed, committed entries are not applied yet",
    "eng.before_apply": "one committed entry is about to be applied",
    "eng.after_apply_before_set_applied": "the effects are there, the applied index is not",
    "eng.after_set_applied_before_resolve": "the applied index moved, the proposer was not told",
    "eng.after_resolve": "the proposer was told",
    "eng.halt": "the replica is about to halt",
    "reg.before_get": "a registration is about to read its row",
    "reg.after_get_before_set": "the row was read, nothing is written",
    "reg.mid_set": "the row is in the store's log, not fsynced",
    "reg.after_set": "the row is durable",
    "reg.after_return": "the applier returned",
    "reg.get_error": "the store fails to read the row",
    "reg.close_error": "the store declares the row it returned suspect",
    "reg.set_error": "the store fails to write the row",
    "reg.row_corrupt": "the row is overwritten by 11 bytes",
    "snap.trigger": "a local snapshot is due",
    "snap.store_snapshot_taken": "the store was read into memory",
    "snap.tmp_partial": "part of the snapshot file is written",
    "snap.tmp_fsynced": "the temporary file is durable",
    "snap.renamed": "the snapshot file has its name",
    "snap.dirsynced": "the name is durable",
    "snap.applied_index_bumped": "the durable applied index covers the snapshot",
    "snap.raft_snap_file_written": "the raft snapshot file is durable",
    "snap.wal_snap_record_saved": "the log names the snapshot",
    "snap.log_compacted": "the log in memory starts behind it",
    "snap.purged": "old snapshots and segments are gone",
    "inst.spooling": "part of a received snapshot is spooled",
    "inst.spooled_fsynced": "the spool is complete and durable",
    "inst.fsm_renamed": "the spool has its final name",
    "inst.wal_saved": "the log names the received snapshot",
    "inst.before_restore": "the store is about to be replaced",
    "inst.temp_store_filled": "the new store stands beside the old one",
    "inst.live_renamed_to_backup": "there is no live store",
    "inst.temp_renamed_to_live": "the new store is live, the backup remains",
    "inst.after_restore": "the backup is gone",
    "inst.peers_saved": "the membership file is written",
    "join.after_confchange_proposed": "the leader appended a change of membership",
    "join.after_confchange_applied_before_peers_file": "the change is applied, the membership file is old",
}
"""Every crash point and what has happened when it is reached."""

FAILURE_POINTS = frozenset({"reg.get_error", "reg.close_error", "reg.set_error", "reg.row_corrupt"})
"""Points that stand for a failure of the store (`action` ``error``) rather than for a crash."""


class UnknownCrashPoint(ValueError):
    """The plan names a crash point that does not exist; the message lists what is near it."""


def check_order(order: CrashOrder) -> None:
    """Raise UnknownCrashPoint for an order that names no crash point or an action its point cannot have."""
    if order.point not in CATALOGUE:
        family = order.point.split(".")[0]
        near = [name for name in CATALOGUE if name.split(".")[0] == family] or list(CATALOGUE)
        raise UnknownCrashPoint(f"no crash point {order.point!r}; there are {', '.join(near)}")
    if (order.action == "error") != (order.point in FAILURE_POINTS):
        allowed = "error" if order.point in FAILURE_POINTS else "kill, power or stall"
        raise UnknownCrashPoint(f"crash point {order.point!r} takes the action {allowed}")


class Strike(Protocol):
    """Ends or stalls the node at an armed point: raises `Crash`, ends the process, or returns after a stall."""

    def __call__(self, order: CrashOrder) -> None:
        """Strike."""


class NodeProbe:
    """The probe of one replica: matches armed orders, and asks the disk whether claims are true.

    A disk with a `mark` hears of every point passed: one that keeps a ledger, so that both share one order, or one that is watched.

    The replica keeps `index`, `opcode` and `role` up to date: they say what it has in hand.
    """

    def __init__(
        self,
        *,
        node: str,
        incarnation: int,
        group: int,
        disk: Disk,
        strike: Strike,
        sink: Callable[[Event], None] | None,
        watched: frozenset[str] = frozenset(),
    ) -> None:
        self.tracing = sink is not None
        self.index = 0
        self.opcode = -1
        self.role = "follower"
        self._node = node
        self._incarnation = incarnation
        self._group = group
        self._disk = disk
        self._strike = strike
        self._sink = sink
        self._watched = watched
        self._orders: list[tuple[CrashOrder, list[int]]] = []
        self._mark: Callable[[str, str], None] | None = getattr(disk, "mark", None)

    def arm(self, order: CrashOrder) -> None:
        """Add an order that `check_order` has passed."""
        self._orders.append((order, [order.nth]))

    def disarm(self) -> None:
        """Forget all orders."""
        self._orders.clear()

    def reach(self, point: str) -> None:
        """See `cluster.probe.Probe`."""
        if self._mark is not None:
            self._mark(point, f"g{self._group}/{self.index}")
        if self._watched and point in self._watched:
            self._pass(point)
        if not self._orders:
            return
        for position, (order, left) in enumerate(self._orders):
            if order.point == point and self._matches(order):
                left[0] -= 1
                if left[0] == 0:
                    del self._orders[position]
                    self._hit(order)
                    return

    def armed(self, point: str) -> bool:
        """See `cluster.probe.Probe`. A point that is only asked about counts a pass that does not strike here."""
        for order, left in self._orders:
            if order.point == point and self._matches(order):
                if left[0] == 1:
                    return True
                left[0] -= 1
        return False

    def claim(self, durable_id: str, path: str) -> None:
        """See `cluster.probe.Probe`; a false claim becomes one `FalseClaim` event."""
        if self._sink is None:
            return
        missing = self._disk.unsynced(path)
        if missing:
            self._sink(
                FalseClaim(
                    node=self._node,
                    incarnation=self._incarnation,
                    group=self._group,
                    durable_id=durable_id,
                    path=path,
                    missing="; ".join(missing),
                    index=self.index,
                )
            )

    def emit(self, event: Event) -> None:
        """See `cluster.probe.Probe`."""
        if self._sink is not None:
            self._sink(event)

    def _matches(self, order: CrashOrder) -> bool:
        return order.opcode in (-1, self.opcode) and order.role in ("", self.role)

    def _pass(self, point: str) -> None:
        self.emit(
            Passed(
                node=self._node,
                incarnation=self._incarnation,
                group=self._group,
                point=point,
                index=self.index,
                opcode=self.opcode,
                role=self.role,
            )
        )

    def _hit(self, order: CrashOrder) -> None:
        self.emit(
            HitPoint(
                node=self._node,
                incarnation=self._incarnation,
                group=self._group,
                point=order.point,
                action=order.action,
                index=self.index,
                opcode=self.opcode,
                role=self.role,
            )
        )
        if order.action != "error":
            self._strike(order)
