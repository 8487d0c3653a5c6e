"""Seeded bugs of applying and replaying: effects and the applied index that speaks for them. Wrong on purpose, as real stores have been."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cluster.bugs.bug import Way, bug_of
from cluster.machine.entries import OPCODE_KV, body_of, opcode_of
from cluster.machine.kv_requests import KvRequest, KvResponse, decode_kv
from cluster.machine.machine import StateMachine
from cluster.machine.outcome import Outcome
from cluster.machine.rows import SESSION_PREFIX, USER_PREFIX
from cluster.machine.snapshot_stream import SnapshotHeader, encode_dump, encode_header
from cluster.node.replica import Replica
from cluster.raft.messages import Entry
from cluster.storage.state_store import APPLIED_INDEX_KEY

__all__ = ["BUGS"]

_BETWEEN = "eng.after_apply_before_set_applied"
"""The crash point that these bugs put between effect and index, where a correct machine has nothing."""


class IndexBeforeEffect(StateMachine):
    """R-B1: the applied index becomes durable before the effects it speaks for (etcd #13766)."""

    def commit_run(self, index: int) -> None:
        self.store.batch((), applied_index=index, sync=True)
        self._probe.reach(_BETWEEN)
        super().commit_run(index)


class EffectBeforeIndex(StateMachine):
    """R-B2: values become durable before the applied index and the sessions, so a replay makes them again (etcd #14685)."""

    def commit_run(self, index: int) -> None:
        puts, _ = self._rows.changes()
        self.store.batch([put for put in puts if put[0].startswith(USER_PREFIX)], sync=True)
        self._probe.reach(_BETWEEN)
        super().commit_run(index)


class SessionsLeftOut(StateMachine):
    """R-B3: the table of sessions is not part of a snapshot (Raft thesis 6.3; compare etcd #14890)."""

    def dump(self) -> Iterator[bytes]:
        header = encode_header(SnapshotHeader(self.hlc_ceiling_ms))
        pairs = [one for one in self.store.scan(b"") if not one[0].startswith(SESSION_PREFIX)]
        return iter([header, *encode_dump(pairs)])


class _ReplaysKnown(StateMachine):
    """Performs requests of entries that the store already holds."""

    def _again(self, data: bytes) -> None:
        if opcode_of(data) == OPCODE_KV:
            self._perform(decode_kv(body_of(data)))


class LastEntryTwice(_ReplaysKnown):
    """R-B6: a replay begins with the last applied entry instead of the one behind it (off by one; the class of bug has no single source)."""

    _last = b""

    def replay_volatile(self, data: bytes) -> None:
        super().replay_volatile(data)
        self._last = data

    def apply(self, entry: Entry) -> Outcome:
        if self._last:
            last, self._last = self._last, b""
            self._again(last)
        return super().apply(entry)


class AppliedNotSeeded(_ReplaysKnown):
    """P43: a restart that skips the restore replays everything behind the snapshot, applied or not (fixed twice in the public system modelled here)."""

    def replay_volatile(self, data: bytes) -> None:
        super().replay_volatile(data)
        self._again(data)


class ResultsDiffer(StateMachine):
    """R-B9: what an entry does depends on how entries were batched on this replica (nondeterministic apply, the warning of every such design)."""

    def _perform(self, request: KvRequest) -> KvResponse:
        response = super()._perform(request)
        self._rows.put(USER_PREFIX + b"\x00seen", str(self.store.applied_index()).encode())
        return response


class ScratchCopy(StateMachine):
    """R-B11: followers acknowledge entries and apply them to nothing, so a failover loses everything (redisraft #14)."""

    leads = False

    def _perform(self, request: KvRequest) -> KvResponse:
        return super()._perform(request) if self.leads else KvResponse(True, None)


class TellsWhoLeads(Replica):
    """For R-B11: the machine knows whether its node leads."""

    def _apply(self, committed: Sequence[Entry]) -> None:
        machine: Any = self.machine
        machine.leads = self.raft.role == "leader"
        super()._apply(committed)


class IndexFallsBack(StateMachine):
    """P42: a snapshot that ends late sets the durable applied index back to its own (fixed in the public system modelled here)."""

    def set_durable_applied_index(self, index: int) -> None:
        super().set_durable_applied_index(index)
        self.store.batch([(APPLIED_INDEX_KEY, index.to_bytes(8, "little"))], sync=True)


class BatchNotSynced(StateMachine):
    """P53: batches are not synced, and yet a snapshot and its index vouch for them (design round of the public system modelled here)."""

    def commit_run(self, index: int) -> None:
        puts, deletes = self._rows.changes()
        self.store.batch(puts, deletes, applied_index=index, sync=False)
        self._probe.claim("D3", self.config.store_path)


_REPLAYING: dict[str, Any] = {"interval_s": 0.2}
_STRIKES = ("crash-replay",)

BUGS = (
    bug_of(
        IndexBeforeEffect,
        shows="a crash between the two batches",
        caught_by=("agreement", "set", "durability"),
        way=Way(workload="set", nemesis=_STRIKES, options={**_REPLAYING, "durability": "data"}),
        replay="data or every",
        machine=IndexBeforeEffect,
    ),
    bug_of(
        EffectBeforeIndex,
        shows="a crash between the two batches",
        caught_by=("agreement", "isolation", "counter"),
        way=Way(workload="append", nemesis=_STRIKES, options={**_REPLAYING, "durability": "data"}),
        replay="data or every",
        machine=EffectBeforeIndex,
    ),
    bug_of(
        SessionsLeftOut,
        shows="a replica that is rebuilt from a snapshot",
        caught_by=("agreement",),
        way=Way(workload="append", options={"snapshot_threshold": 8}),
        machine=SessionsLeftOut,
    ),
    bug_of(
        LastEntryTwice,
        shows="a restart behind a snapshot",
        caught_by=("agreement", "isolation"),
        way=Way(workload="append", nemesis=("kill",), options={**_REPLAYING, "durability": "data"}),
        replay="data or every",
        machine=LastEntryTwice,
    ),
    bug_of(
        AppliedNotSeeded,
        shows="a restart some entries behind a snapshot",
        caught_by=("agreement", "isolation"),
        way=Way(workload="append", nemesis=("kill",), options={**_REPLAYING, "durability": "data"}),
        replay="data or every",
        machine=AppliedNotSeeded,
    ),
    bug_of(
        ResultsDiffer,
        shows="replicas that batch differently",
        caught_by=("agreement",),
        way=Way(workload="set"),
        machine=ResultsDiffer,
    ),
    bug_of(
        ScratchCopy,
        shows="a change of leader",
        caught_by=("agreement", "set"),
        way=Way(workload="set"),
        machine=ScratchCopy,
        replica=TellsWhoLeads,
    ),
    bug_of(
        IndexFallsBack,
        shows="a crash right after a snapshot that took longer than an entry",
        caught_by=("agreement", "isolation"),
        way=Way(
            workload="append",
            nemesis=("crash-replay", "snapshot"),
            options={"interval_s": 0.1, "durability": "data", "snapshot_threshold": 8},
        ),
        replay="data or every",
        machine=IndexFallsBack,
    ),
    bug_of(
        BatchNotSynced,
        shows="any power loss; the ledger sees it without one",
        caught_by=("durability",),
        way=Way(workload="set", nemesis=("power",)),
        machine=BatchNotSynced,
    ),
)
