"""What was acknowledged is still there (I22), what claims to be on disk is (I12), what counts as applied is (I5).

Five questions to one run:

* Did a node claim durability over un-synced bytes? The ledger of its disk says so in `FalseClaim`, and which fsync
  is missing.
* Does a store that says "applied up to a" hold the rows of every registration up to a, and does a row once written
  durably ever come back older? Asked at each start, and at each registration applied after it.
* Is every acknowledged write and registration in the committed log, and the log's committed part still held by a
  quorum after each restart?
* Do the final states show every acknowledged registration, or a later one of the same row?
* Where disks kept a ledger of their own: was everything synced at each crash point behind which it must be, and is every
  image that a power loss left the one that the ledger says (`harness.checkers.ledger_promises`)?

Each acknowledged operation found missing counts once in ``lost_sync_writes``; each whose effect the ledgers show behind a sync, which
they name, counts once in ``acked_synced_by_ledger``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cluster.encryption.identity import node16
from cluster.encryption.payloads import Registration
from cluster.encryption.registry_rows import decode_row, registry_key
from cluster.machine.entries import OPCODE_REGISTRATION
from cluster.trace import (
    Applied,
    Event,
    FalseClaim,
    Fault,
    HitPoint,
    Installed,
    Started,
    Stopped,
)
from harness.checkers.checker import Run, Verdict
from harness.checkers.committed_log import (
    Shrinking,
    committed_logs,
    encryption_entries,
    kv_requests,
)
from harness.checkers.evidence import LastCrash, finding, telling_first
from harness.checkers.ledger_promises import LedgerJudgement
from harness.checkers.memberships import Members, members_at
from harness.checkers.registry_fold import RowKey, registry_folds
from harness.checkers.replica_story import corrupt_replicas, is_file_damage
from harness.operation import Operation

__all__ = ["Durability", "Logged", "logged_register"]

_LOG_OP = {"write": "put", "cas": "cas"}
"""f of an operation on a register -> op of its request."""

Request = tuple[str, Any, Any, Any]
"""(op, key, value, expected) of a key-value request."""

Logged = Callable[[Operation], Request | None]
"""From an acknowledged operation to the request that must be in the log; None where it asked for none."""


def logged_register(operation: Operation) -> Request | None:
    """Return what ``write`` [key, value] and ``cas`` [key, [old, new]] ask of the log."""
    op = _LOG_OP.get(operation.f)
    if op is None:
        return None
    key, value = operation.value
    old, new = value if op == "cas" else (None, value)
    return op, key, new, old


class Durability:
    """See the module. `logged` says what a workload's operations asked of the log."""

    name = "durability"

    def __init__(self, logged: Logged = logged_register) -> None:
        self._logged = logged

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``acked_sync_writes``, ``lost_sync_writes``, ``false_claims``, ``images_judged``; where there are ledgers also these.

        ``ledger_promises`` counts marks that were judged, ``ledger_images`` images that were compared, and
        ``ledger_images_not_compared`` those of which the ledger cannot tell all. A disk that is not what its own ledger says is no
        node's fault, and makes the verdict unknown.
        """
        trace = _TraceJudgement(self.name, run)
        ledgers = LedgerJudgement(self.name)
        for node, parts in run.ledgers.items():
            ledgers.read(node, parts)
        lost = _LostOperations(self.name, run, self._logged, ledgers)
        facts = {
            "acked_sync_writes": lost.acknowledged,
            "lost_sync_writes": len(lost.evidence),
            "false_claims": trace.false_claims,
            "images_judged": trace.images,
        }
        if run.ledgers:
            facts |= {
                "acked_synced_by_ledger": lost.synced,
                "ledger_promises": ledgers.promises,
                "ledger_images": ledgers.images,
                "ledger_images_not_compared": ledgers.not_compared,
            }
        evidence = trace.evidence + ledgers.broken + lost.evidence
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=telling_first(evidence))
        if ledgers.differences:
            return Verdict(
                valid="unknown", facts=facts, evidence=telling_first(ledgers.differences)
            )
        if not lost.acknowledged:
            what = "no write and no registration was ever acknowledged, so nothing could be lost"
            evidence = [finding(self.name, "stimulus", what)]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)


class _Image:
    """What one replica's store must hold by now."""

    __slots__ = ("floor", "start")

    def __init__(self) -> None:
        self.start = 0
        """Applied index at the last start: the store holds the effects of everything up to it."""
        self.floor: dict[RowKey, int] = {}
        """Row -> raft index of its newest version that was written durably into this store."""


class _TraceJudgement:
    """Claims, disk images and logs, in the order of the trace."""

    def __init__(self, checker: str, run: Run) -> None:
        self.evidence: list[dict[str, Any]] = []
        self.false_claims = 0
        self.images = 0
        self._checker = checker
        self._crashes = LastCrash()
        self._images: dict[tuple[str, int], _Image] = {}
        self._claims: dict[tuple[str, str, bool], None] = {}
        """False claims told: one for each node and durable id, and one more after something struck the node."""
        self._folds = registry_folds(run.trace)
        self._damaged: dict[str, bool] = {}
        """Nodes whose files were damaged by hand since they started; what they forgot is told by the judge of raft."""
        self._shrinkings: dict[int, Shrinking] = {}
        """By identity of the `Started` event that told of it."""
        for log in committed_logs(run.trace).values():
            self._shrinkings |= {id(found.started): found for found in log.shrinkings}
        self._run = run
        handlers: dict[type, Callable[[Any], None]] = {
            Applied: self._applied,
            FalseClaim: self._false_claim,
            Fault: self._fault,
            HitPoint: self._crashes.observe,
            Installed: self._installed,
            Started: self._started,
            Stopped: self._crashes.observe,
        }
        for event in run.trace:
            if type(event) is Applied and event.opcode != OPCODE_REGISTRATION:
                continue
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)

    def _image(self, event: Event) -> _Image:
        place = (event.node, event.group)
        image = self._images.get(place)
        if image is None:
            image = self._images[place] = _Image()
        return image

    def _installed(self, event: Installed) -> None:
        image = self._image(event)
        image.start = event.index
        image.floor.clear()

    def _false_claim(self, event: FalseClaim) -> None:
        self.false_claims += 1
        claim = (event.node, event.durable_id, self._crashes.of(event.node) != "")
        if claim in self._claims:
            return
        self._claims[claim] = None
        epochs: dict[str, Any] = {}
        fold = self._folds.get(event.group)
        expected = fold.expectations.get(event.index) if fold is not None else None
        if expected is not None and expected.registration is not None:
            # The node says only which entry it had in hand; the log says what that entry met.
            epochs["epoch_entry"] = expected.registration.local_epoch
            epochs["epoch_row"] = expected.before.last_epoch
        what = (
            f"{event.node} claimed {event.durable_id} durable at entry {event.index} while below "
            f"{event.path} was un-synced: {event.missing}"
        )
        self._broken(
            "I12", what, event, durable_id=event.durable_id, missing=event.missing, **epochs
        )

    def _fault(self, event: Fault) -> None:
        """Files damaged by hand hold what they hold: no row and no entry of before is owed by them any more."""
        if is_file_damage(event):
            self._damaged[event.node] = True
            for (node, _), image in self._images.items():
                if node == event.node:
                    image.floor.clear()

    def _started(self, event: Started) -> None:
        """Judge the disk image that this life found."""
        self.images += 1
        image = self._image(event)
        base = event.snapshot_index if event.restored else max(event.have, event.snapshot_index)
        if event.have > event.last_index:
            what = f"{event.node} says applied {event.have}, but its log ends at {event.last_index}"
            self._broken("I5", what, event, index=event.have)
        fold = self._folds.get(event.group)
        needed = fold.last_change(base) if fold is not None else 0
        if needed > event.row_horizon:
            what = (
                f"{event.node} says applied {base}, but no row in its store is as new as entry {needed}, "
                f"which changed one (newest: {event.row_horizon})"
            )
            self._broken("I5", what, event, index=needed)
        image.start = base
        if event.restored:
            image.floor.clear()
        shrinking = self._shrinkings.get(id(event))
        excused = self._damaged.pop(event.node, False)
        if (
            shrinking is not None
            and not excused
            and not self._members(event.group, shrinking.commit).has(shrinking.holders)
        ):
            held = ", ".join(shrinking.holders) or "nobody"
            what = (
                f"entry {shrinking.commit} was committed and is now held by {held} only: "
                f"{event.node} came back with a log that ends at {event.last_index}"
            )
            self._broken("I22", what, event, index=shrinking.commit)

    def _members(self, group: int, index: int) -> Members:
        return members_at(self._run.trace, group, index, self._run.nodes)

    def _applied(self, event: Applied) -> None:
        if event.decision == "halt" and event.epoch_row < 0:
            return  # nobody says what the row was
        fold = self._folds.get(event.group)
        expected = fold.expectations.get(event.index) if fold is not None else None
        if fold is None or expected is None:
            return
        image = self._image(event)
        key = expected.key
        floor = image.floor.get(key, 0)
        before = expected.before
        if event.row_before != before.row or before.index < floor:
            due = max(fold.row_at(key, image.start).index, floor)
            have = fold.made_by(key, event.row_before)
            if have is not None and have < due:
                held = f"the row of entry {have}" if have else "no row"
                what = (
                    f"{event.node} held {held} in front of entry {event.index}, although the row of entry "
                    f"{due} was durable there"
                )
                self._broken("I5", what, event)
        if event.row_writes and event.row_after == expected.after.row:
            image.floor[key] = max(expected.after.index, floor)

    def _broken(self, invariant: str, what: str, event: Event, **fields: Any) -> None:
        self.evidence.append(
            finding(
                self._checker,
                invariant,
                what + self._crashes.words(event.node),
                event,
                crash_point=self._crashes.of(event.node),
                **fields,
            )
        )


class _LostOperations:
    """Acknowledged operations of the history that the log or a final state does not show."""

    def __init__(self, checker: str, run: Run, logged: Logged, ledgers: LedgerJudgement) -> None:
        self.acknowledged = 0
        self.synced = 0
        """Of them, those whose entry was applied behind a sync that a ledger names."""
        self._ledgers = ledgers
        self.evidence: list[dict[str, Any]] = []
        self._checker = checker
        self._run = run
        logs = committed_logs(run.trace)
        self._writes: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
        """Request -> (group, index) of the entries that hold it, of which each answers for one acknowledgement."""
        self._registrations: dict[Registration, dict[int, int]] = {}
        """Registration -> group -> the first entry that holds it there."""
        for group, log in logs.items():
            for index, request in kv_requests(log):
                spelling = _spelling(request.op, request.key, request.value, request.expected)
                self._writes.setdefault(spelling, []).append((group, index))
            for entry in encryption_entries(log):
                if entry.registration is not None:
                    places = self._registrations.setdefault(entry.registration, {})
                    places.setdefault(group, entry.index)
        for operation in run.history:
            if operation.type == "ok":
                if operation.f == "register":
                    self._judge_registration(operation)
                elif (asked := logged(operation)) is not None:
                    self._judge_write(operation, asked)

    def _judge_write(self, operation: Operation, request: Request) -> None:
        self.acknowledged += 1
        if entries := self._writes.get(_spelling(*request)):
            self.synced += self._ledgers.synced(*entries.pop(0)) != []
        else:
            what = (
                f"{operation.f} of {operation.value!r} was acknowledged by {operation.node or 'a node'}, "
                "but no committed entry holds it"
            )
            self._lost(what, operation)

    def _judge_registration(self, operation: Operation) -> None:
        self.acknowledged += 1
        value = operation.value
        registration = Registration(value["dek_id"], value["full_node_id"], value["epoch"])
        places = self._registrations.get(registration)
        if places is None:
            what = f"the registration of {value} was acknowledged, but no committed entry holds it"
            self._lost(what, operation)
            return
        self.synced += any(self._ledgers.synced(*place) for place in places.items())
        key = registry_key(registration.dek_id, node16(registration.full_node_id)).hex()
        corrupt = corrupt_replicas(self._run.trace)
        for node, groups in self._run.final_state.items():
            for state in groups.values():
                index = places.get(state["group"])
                if index is None or (node, state["group"]) in corrupt:
                    continue
                if state["applied"] < max(index, value.get("index", 0)):
                    continue
                row = _row(state["rows"], key)
                if row is None or row < registration.local_epoch:
                    what = (
                        f"the registration of {value} was acknowledged, but {node} ends at entry "
                        f"{state['applied']} with epoch {row} in that row"
                    )
                    synced = self._ledgers.synced(state["group"], index)
                    self._lost(
                        what,
                        operation,
                        node=node,
                        index=index,
                        synced=[
                            f"{one.node}: {one.path} (record {one.sequence})" for one in synced
                        ],
                    )
                    return

    def _lost(self, what: str, operation: Operation, **fields: Any) -> None:
        operations = [msgspec.to_builtins(operation)]
        self.evidence.append(
            finding(
                self._checker,
                "I22",
                what,
                time_ns=operation.time_ns,
                operations=operations,
                **fields,
            )
        )


def _spelling(op: str, key: Any, value: Any, expected: Any) -> tuple[str, str, str]:
    """Return one comparable form of a request, whatever JSON and msgpack made of its key and values."""
    return op, str(key), repr((value, expected) if op == "cas" else value)


def _row(rows: Mapping[str, str], key: str) -> int | None:
    """Return the last epoch of the row at hexadecimal `key`, or None."""
    value = rows.get(key)
    return None if value is None else decode_row(bytes.fromhex(value)).last_seen_epoch
