"""The replicated state machine: committed entries in, effects and outcomes out.

It decides what an entry does, what becomes durable with it, and when the replica must halt; formats, operations,
sessions and registrations have rooms of their own. Pure: it is handed a store and a probe.

Durability (design §3.7). Key-value entries are staged and `flush` commits the run in one synced batch with
its applied index, so they are never replayed over their own effects. A registration makes its row durable by
itself. What moves the durable applied index is `MachineConfig.durability`:

* ``every``: key-value batches, and a second synced commit after each encryption entry (`settle`);
* ``data``: key-value batches only, so registrations are replayed after a restart;
* ``snapshot``: as ``data``; the node rebuilds the store from the snapshot at every start.

Halting (design §4, HZ-23). Whatever this replica alone cannot do (its store fails) and whatever an encryption
entry must not do halts it: `applied` stays below the entry, and nothing is applied any more. An entry that is wrong
in the same way everywhere is answered with an error instead, and the index advances.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from cluster.encryption.applier import EncryptionApplier
from cluster.encryption.errors import (
    EncryptionApplyError,
    EncryptionNotWired,
    UnknownEncryptionOpcode,
)
from cluster.encryption.payloads import (
    Registration,
    decode_bootstrap,
    decode_registration,
    decode_rotation,
)
from cluster.encryption.registry_rows import INDEX_PREFIX, REGISTRY_PREFIX, decode_index
from cluster.machine import entries
from cluster.machine.kv_operations import execute
from cluster.machine.kv_requests import (
    BATCH_MAX,
    KvMalformed,
    KvRequest,
    KvResponse,
    MicroOperation,
    decode_batch,
    decode_kv,
    decode_value,
)
from cluster.machine.outcome import Outcome
from cluster.machine.rows import SESSION_PREFIX, StagedRows, user_key
from cluster.machine.sessions import Sessions
from cluster.machine.snapshot_stream import SnapshotHeader, encode_dump, encode_header
from cluster.machine.state_hash import StateHash
from cluster.machine.transactions import transact
from cluster.probe import Probe
from cluster.raft.configuration import is_configuration
from cluster.raft.messages import Entry
from cluster.storage.state_store import StateStore, StoreFailed

__all__ = ["Durability", "MachineConfig", "MachineHalted", "Outcome", "StateMachine"]

Durability = Literal["every", "data", "snapshot"]


class MachineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`store_path` is what the durability claims D3 and D4 speak of."""

    durability: Durability = "data"
    store_path: str = ""
    sessions_max: int = 10_000


class MachineHalted(RuntimeError):
    """An entry was handed to a machine that has halted: the caller must end the process instead."""


class UnknownOpcode(ValueError):
    """The opcode belongs to nobody; every replica rejects the entry alike."""


class StateMachine:
    """One replica's state.

    `applied` is the index of the last entry whose effects are in the state (staged ones count); it is volatile.
    `row_horizon` is the highest raft index of a registry row found in the store: until `applied` reaches it the rows are
    ahead of the index, and the replica is `recovering`. `halted` is the outcome that stopped it.
    """

    def __init__(
        self,
        store: StateStore,
        applier: EncryptionApplier | None,
        probe: Probe,
        config: MachineConfig,
        applied: int | None = None,
    ) -> None:
        """`applied` is the index to go on from, by default the durable one. Raises StoreFailed, RegistryValueMalformed."""
        self.store = store
        self.config = config
        self.applied = store.applied_index() if applied is None else applied
        self.hlc_ceiling_ms = 0
        self.halted: Outcome | None = None
        self._applier = applier
        self._probe = probe
        stored = store.scan(b"")
        self.row_horizon = max(
            (decode_index(value) for key, value in stored if key.startswith(INDEX_PREFIX)),
            default=0,
        )
        self._state_hash = StateHash(stored)
        self._rows = StagedRows(store, self._state_hash)
        session_rows = (pair for pair in stored if pair[0].startswith(SESSION_PREFIX))
        self._sessions = Sessions(self._rows, session_rows, config.sessions_max)
        self._unsettled: tuple[int, int] | None = None
        """(index, opcode) of an encryption entry whose index `settle` has to make durable."""
        self._run: list[tuple[int, int]] = []
        """(index, opcode) of the first and of the last key-value entry staged; empty: none."""

    @property
    def recovering(self) -> bool:
        """Whether registry rows are ahead of the applied index: hashes and new snapshots wait for the end of it."""
        return self.applied < self.row_horizon

    # -- entries -----------------------------------------------------------------------------------

    def apply(self, entry: Entry) -> Outcome:
        """Apply the entry behind `applied`; key-value effects are staged until `flush`.

        Never raises for what an entry or the store does: that is an outcome, with `halt` when the replica must stop
        (at the first staged entry if any was staged, since those effects are lost too). Raises MachineHalted after a
        halt, ValueError for an entry that is not the next one: the caller is at fault.
        """
        if self.halted is not None:
            raise MachineHalted(f"halted at entry {self.halted.index}: {self.halted.message}")
        index = entry.index
        if index != self.applied + 1:
            raise ValueError(f"entry {index} cannot follow applied index {self.applied}")
        data = entry.data
        opcode = entries.opcode_of(data)
        try:
            return self._dispatch(index, opcode, data)
        except (EncryptionApplyError, StoreFailed) as error:
            return self._halt(index, opcode, error)

    def replay_volatile(self, data: bytes) -> None:
        """Do again what an entry at or below `applied` does to memory only: a lease raises the ceiling."""
        if entries.opcode_of(data) == entries.OPCODE_LEASE:
            try:
                self._raise_ceiling(entries.decode_lease(entries.body_of(data)))
            except entries.LeaseMalformed:
                return  # it was rejected when it was applied, too

    def flush(self) -> Outcome | None:
        """Commit what is staged in one synced batch with its applied index (D3).

        Returns None, or the halt: then `applied` is below the first staged entry, and none of them may be answered.
        """
        if self.halted is not None:
            return self.halted
        if not self._run:
            return None
        index, opcode = self._run[-1]
        try:
            self.commit_run(index)
        except StoreFailed as error:
            return self._halt(index, opcode, error)
        self._rows.clear()
        self._run.clear()
        return None

    def settle(self) -> Outcome | None:
        """Make the applied index durable behind an encryption entry, where the mode wants that (``every``).

        Apart from `apply`, so that a crash between effect and index is a moment of its own. Returns None, or the
        halt: then `applied` is below the entry again.
        """
        if self._unsettled is None:
            return None
        index, opcode = self._unsettled
        self._unsettled = None
        try:
            self.set_durable_applied_index(index)
        except StoreFailed as error:
            self.applied = index - 1
            return self._halt(index, opcode, error)
        return None

    def commit_run(self, index: int) -> None:
        """Write the staged rows and the applied index `index` in one synced batch. Raises StoreFailed."""
        puts, deletes = self._rows.changes()
        self.store.batch(puts, deletes, applied_index=index, sync=True)
        self._probe.claim("D3", self.config.store_path)

    def set_durable_applied_index(self, index: int) -> None:
        """Make `index` the durable applied index unless it is larger already; synced (D4).

        What is staged must be flushed before, since the index speaks for it. Raises StoreFailed.
        """
        assert not self._run, "flush before moving the durable applied index"
        assert index <= self.applied, "the durable applied index must not pass the applied one"
        self.store.batch((), applied_index=index, sync=True)
        self._probe.claim("D4", self.config.store_path)

    # -- reading -----------------------------------------------------------------------------------

    def read(self, key: str) -> Any:
        """Return the value of a client's key at `applied`, None if there is none. Raises StoreFailed."""
        stored = self._rows.get(user_key(key))
        return None if stored is None else decode_value(stored)

    def look(self, operations: Sequence[MicroOperation]) -> KvResponse:
        """Do a transaction that only looks, at `applied`. Raises StoreFailed."""
        return transact(self._rows.get, operations)[0]

    def state_hash(self) -> int:
        """Return the hash of the replicated rows at `applied`; 0 while recovering, when it means nothing."""
        return 0 if self.applied < self.row_horizon else self._state_hash.value()

    def registry_rows(self) -> list[tuple[bytes, bytes]]:
        """Return all registry rows, in key order. Raises StoreFailed."""
        return self.store.scan(REGISTRY_PREFIX)

    def dump(self) -> Iterator[bytes]:
        """Read the whole store into memory now, and return the chunks of the snapshot stream at `applied`.

        What is staged must be flushed before. Raises StoreFailed.
        """
        assert not self._run, "flush before dumping"
        assert not self.recovering, "rows ahead of the applied index must not get into a snapshot"
        header = encode_header(SnapshotHeader(self.hlc_ceiling_ms))
        return _stream(header, self.store.scan(b""))

    # -- one method per kind of entry ----------------------------------------------------------------

    def _dispatch(self, index: int, opcode: int, data: bytes) -> Outcome:
        if opcode in entries.ENCRYPTION_OPCODES:
            return self._apply_encryption(index, opcode, entries.body_of(data))
        if opcode == entries.NO_OPCODE:
            decision = "configuration" if is_configuration(data) else "noop_entry"
            return self._applied(index, opcode, decision)
        try:
            if opcode in entries.STAGED_OPCODES:
                return self._apply_kv(index, opcode, entries.body_of(data))
            if opcode == entries.OPCODE_LEASE:
                self._raise_ceiling(entries.decode_lease(entries.body_of(data)))
                return self._applied(index, opcode, "lease")
        except (KvMalformed, entries.LeaseMalformed) as error:
            return self._applied(index, opcode, "rejected", None, error)
        unknown = UnknownOpcode(f"opcode 0x{opcode:02x} is not known")
        return self._applied(index, opcode, "rejected", None, unknown)

    def _apply_kv(self, index: int, opcode: int, body: bytes) -> Outcome:
        """A request or a batch of them. Raises KvMalformed and StoreFailed."""
        stamp = index * BATCH_MAX
        if opcode == entries.OPCODE_KV:
            return self._applied(index, opcode, "kv", self._execute(decode_kv(body), stamp))
        responses = [
            self._execute(request, stamp + at) for at, request in enumerate(decode_batch(body))
        ]
        return self._applied(index, opcode, "kv", responses)

    def _apply_encryption(self, index: int, opcode: int, body: bytes) -> Outcome:
        """Everything in the range of encryption; no branch of it skips an entry."""
        failure = self.flush()
        if failure is not None:
            return failure
        applier = self._applier
        if applier is None:
            raise EncryptionNotWired(
                f"opcode 0x{opcode:02x} in a group without an encryption applier"
            )
        if opcode == entries.OPCODE_REGISTRATION:
            return self._apply_registration(applier, index, decode_registration(body))
        if opcode == entries.OPCODE_BOOTSTRAP:
            applier.apply_bootstrap(index, decode_bootstrap(body))
        elif opcode == entries.OPCODE_ROTATION:
            applier.apply_rotation(index, decode_rotation(body))
        else:
            raise UnknownEncryptionOpcode(f"opcode 0x{opcode:02x} is reserved for encryption")
        self._encryption_applied(index, entries.OPCODE_REGISTRATION)
        return self._applied(index, opcode, "keys")

    def _apply_registration(
        self, applier: EncryptionApplier, index: int, registration: Registration
    ) -> Outcome:
        try:
            ruling = applier.apply_registration(index, registration)
        except EncryptionApplyError as error:
            return self._halt(index, entries.OPCODE_REGISTRATION, error, registration)
        self._probe.reach("reg.after_return")
        if ruling.row_writes:
            self._state_hash.note_put(ruling.key, ruling.value_after)
        self._encryption_applied(index, entries.OPCODE_REGISTRATION)
        return Outcome(
            index,
            entries.OPCODE_REGISTRATION,
            ruling.decision,
            state_hash=self.state_hash(),
            dek_id=registration.dek_id,
            full_node_id=registration.full_node_id,
            epoch_entry=registration.local_epoch,
            epoch_row=ruling.seen.last_epoch,
            row_index=ruling.seen.row_index,
            row_before=ruling.seen.value,
            row_after=ruling.value_after,
            row_writes=ruling.row_writes,
        )

    # -- pieces --------------------------------------------------------------------------------------

    def _execute(self, request: KvRequest, stamp: int) -> KvResponse:
        """Execute a request, or find what it was answered before."""
        answered = self._sessions.answered(request)
        if answered is not None:
            return answered
        response = self._perform(request)
        self._sessions.record(request, response, stamp)
        return response

    def _perform(self, request: KvRequest) -> KvResponse:
        """Execute a request that is a new one."""
        return execute(self._rows, request)

    def _applied(
        self,
        index: int,
        opcode: int,
        decision: str,
        result: KvResponse | list[KvResponse] | None = None,
        error: Exception | None = None,
    ) -> Outcome:
        """Move `applied`; a key-value entry, a rejected one too, joins the run that `flush` commits."""
        self.applied = index
        if opcode in entries.STAGED_OPCODES:
            self._run[1:] = [(index, opcode)]
        if error is None:
            return Outcome(index, opcode, decision, result, self.state_hash())
        return Outcome(
            index, opcode, decision, result, self.state_hash(), type(error).__name__, str(error)
        )

    def _encryption_applied(self, index: int, opcode: int) -> None:
        """Move the applied index past an encryption entry whose effects are durable."""
        self.applied = index
        if self.config.durability == "every":
            self._unsettled = (index, opcode)

    def _raise_ceiling(self, ceiling_ms: int) -> None:
        self.hlc_ceiling_ms = max(self.hlc_ceiling_ms, ceiling_ms)

    def _halt(
        self, index: int, opcode: int, error: Exception, registration: Registration | None = None
    ) -> Outcome:
        """Stop for good, below `index` and below every staged entry: their effects never become durable."""
        if self._run:
            index, opcode = self._run[0]
            self.applied = index - 1
        seen = error.seen if isinstance(error, EncryptionApplyError) else None
        self.halted = Outcome(
            index,
            opcode,
            "halt",
            error_class=type(error).__name__,
            message=str(error),
            halt=True,
            dek_id=registration.dek_id if registration else 0,
            full_node_id=registration.full_node_id if registration else 0,
            epoch_entry=registration.local_epoch if registration else -1,
            epoch_row=seen.last_epoch if seen else -1,
            row_index=seen.row_index if seen else 0,
            row_before=seen.value if seen else b"",
            row_after=seen.value if seen else b"",
        )
        return self.halted


def _stream(header: bytes, pairs: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    yield header
    yield from encode_dump(pairs)
