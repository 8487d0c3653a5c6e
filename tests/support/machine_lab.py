"""A state machine in a laboratory: a store that can lose power, a probe that can strike, and lives in a row.

`Platter` is what survives: what was written (a kill keeps it) and what was synced (a power loss keeps only that).
`PlatterStore` is a `StateStore` on it, `LabProbe` strikes at one point and checks every claim of durability.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cluster.encryption.applier import EncryptionApplier
from cluster.encryption.payloads import Registration
from cluster.encryption.registry import writer_registry_for
from cluster.machine.entries import encode_entry, encode_registration_payload
from cluster.machine.kv_requests import KvRequest, encode_kv
from cluster.machine.machine import MachineConfig, StateMachine
from cluster.machine.parts import Parts
from cluster.machine.snapshot_stream import restore_pairs
from cluster.probe import Crash
from cluster.raft.messages import Entry
from cluster.storage.state_store import APPLIED_INDEX_KEY, StoreFailed

STORE_PATH = "n1/store"
NODE = 0x1122334455660A0B
TWIN = 0x9922334455660A0B
"""Another node with the same low 16 bits as `NODE`."""


class Platter:
    """The bytes of a store: `written` is what a killed process leaves, `synced` what a power loss leaves."""

    def __init__(self, rows: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.written = dict(rows)
        self.synced = dict(self.written)

    def after(self, kind: str) -> Platter:
        """What the next life finds after a ``kill`` or a ``power`` loss."""
        return Platter((self.written if kind == "kill" else self.synced).items())


class LabProbe:
    """Strikes once: raises `Crash(kind)` at the `nth` pass of `point`, or lets an error point fail the store."""

    tracing = True

    def __init__(self, point: str = "", kind: str = "kill", nth: int = 1) -> None:
        self.platter: Platter | None = None
        self.point = point
        self.reached: list[str] = []
        self.claims: list[tuple[str, str, bool]] = []
        self._kind = kind
        self._left = nth

    def reach(self, point: str) -> None:
        self.reached.append(point)
        if point == self.point:
            self._left -= 1
            if self._left == 0 and self._kind != "error":
                raise Crash(point, self._kind)

    def armed(self, point: str) -> bool:
        return point == self.point and self._left == 1

    def claim(self, durable_id: str, path: str) -> None:
        true = self.platter is None or self.platter.written == self.platter.synced
        self.claims.append((durable_id, path, true))

    def emit(self, event: Any) -> None:
        raise AssertionError(f"a machine emits nothing: {event}")


class PlatterStore:
    """A `StateStore` whose synced batches survive a power loss. `broken` makes every call fail."""

    durable_rows = True

    def __init__(self, platter: Platter, probe: LabProbe) -> None:
        self.platter = platter
        self.broken = False
        self.batches: list[dict[str, Any]] = []
        self._probe = probe
        probe.platter = platter

    def batch(
        self,
        puts: Sequence[tuple[bytes, bytes]],
        deletes: Sequence[bytes] = (),
        *,
        applied_index: int | None = None,
        sync: bool,
        crash_point: str = "",
    ) -> None:
        self._check()
        rows = self.platter.written
        for key in deletes:
            rows.pop(key, None)
        rows.update(puts)
        if applied_index is not None and applied_index > self.applied_index():
            rows[APPLIED_INDEX_KEY] = applied_index.to_bytes(8, "little")
        self.batches.append(
            {"puts": list(puts), "deletes": list(deletes), "index": applied_index, "sync": sync}
        )
        if crash_point:
            self._probe.reach(crash_point)
        if sync:
            self.platter.synced = dict(rows)

    def get(self, key: bytes) -> bytes | None:
        self._check()
        return self.platter.written.get(key)

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        self._check()
        return sorted(pair for pair in self.platter.written.items() if pair[0].startswith(prefix))

    def applied_index(self) -> int:
        self._check()
        return int.from_bytes(self.platter.written.get(APPLIED_INDEX_KEY, b""), "little")

    def load(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._check()
        self.platter.written = dict(pairs)
        self.platter.synced = dict(self.platter.written)

    def abandon(self) -> None:
        self.broken = True

    def close(self) -> None:
        self.broken = True

    def _check(self) -> None:
        if self.broken:
            raise StoreFailed("EIO")


class Lab:
    """One life of one replica; every argument has a default, so that a test names only what it is about."""

    def __init__(
        self,
        platter: Platter | None = None,
        *,
        probe: LabProbe | None = None,
        parts: Parts | None = None,
        guard: Any = "index",
        applied: int | None = None,
        **config: Any,
    ) -> None:
        parts = parts or Parts()
        self.platter = platter or Platter()
        self.probe = probe or LabProbe()
        self.store = PlatterStore(self.platter, self.probe)
        registry = parts.registry(self.store, self.probe, STORE_PATH)
        applier = parts.applier(registry, self.probe, guard)
        machine_config = MachineConfig(store_path=STORE_PATH, **config)
        self.machine: StateMachine = parts.machine(
            self.store, applier, self.probe, machine_config, applied
        )

    def apply(self, payload: bytes) -> Any:
        """Apply `payload` as the next entry."""
        index = self.machine.applied + 1
        outcome = self.machine.apply(Entry(index, 1, encode_entry(index, payload)))
        return self.machine.settle() or outcome

    def register(self, epoch: int, *, node: int = NODE, dek_id: int = 1) -> Any:
        """Apply a registration as the next entry."""
        return self.apply(registration_payload(epoch, node=node, dek_id=dek_id))

    def put(self, key: str, value: Any, *, client: str = "c", sequence: int = 0) -> Any:
        """Apply a put as the next entry; by default it is a new request of its client."""
        return self.ask("put", key, value, client=client, sequence=sequence)

    def ask(
        self,
        op: Any,
        key: str,
        value: Any = None,
        *,
        expected: Any = None,
        client: str = "c",
        sequence: int = 0,
    ) -> Any:
        """Apply any key-value request as the next entry."""
        sequence = sequence or self.machine.applied + 1
        return self.apply(encode_kv(KvRequest(client, sequence, op, key, value, expected)))

    def restored(self) -> Platter:
        """A platter loaded from this machine's snapshot, as another replica would find it."""
        return Platter(restore_pairs(reader(b"".join(self.machine.dump())))[1])


def registration_payload(epoch: int, *, node: int = NODE, dek_id: int = 1) -> bytes:
    """The payload of a registration."""
    return encode_registration_payload(Registration(dek_id, node, epoch))


def registry_of(platter: Platter, probe: LabProbe | None = None) -> Any:
    """The real registry on a fresh store over `platter`."""
    probe = probe or LabProbe()
    return writer_registry_for(PlatterStore(platter, probe), probe, STORE_PATH)


def applier_of(
    platter: Platter, probe: LabProbe | None = None, guard: Any = "index"
) -> EncryptionApplier:
    """The real applier on a fresh registry over `platter`."""
    probe = probe or LabProbe()
    return EncryptionApplier(registry_of(platter, probe), probe, guard)


def reader(data: bytes, most: int = 1 << 30) -> Any:
    """A read function over `data` that gives at most `most` bytes at a time."""
    left = [data]

    def read(length: int) -> bytes:
        taken = left[0][: min(length, most)]
        left[0] = left[0][len(taken) :]
        return taken

    return read
