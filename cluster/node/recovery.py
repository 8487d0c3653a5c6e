"""The cold start of one raft group: from what is on the disk to a replica that can go on.

Specification §3.6 is the order: cut the log's torn tail once, find the newest usable snapshot, compare the store's
durable applied index with it, and either keep the store or rebuild it from the snapshot. Replaying what is committed
comes after, in `replica`. Nothing that recovery refuses is changed on disk, except the torn tail.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from cluster.machine.machine import MachineConfig, StateMachine
from cluster.machine.parts import Parts
from cluster.machine.snapshot_stream import restore_pairs
from cluster.node.config import NodeConfig
from cluster.node.crash_points import NodeProbe
from cluster.node.journal import Journal, Recovered
from cluster.node.peers import Peers, check_peers, save_peers
from cluster.node.shelf import Shelf
from cluster.node.telling import reconfigured
from cluster.raft.config import RaftConfig, Restored
from cluster.raft.core import Raft
from cluster.raft.messages import SnapshotMeta
from cluster.storage.directories import make_directories
from cluster.storage.disk import Disk
from cluster.storage.memory_store import MemoryStore
from cluster.storage.snapshot_files import SnapshotFiles, SnapshotMissing, SnapshotUnusable
from cluster.storage.store_directory import StoreDirectory
from cluster.trace import Appended, Started

__all__ = ["Opened", "open_group", "open_machine"]

NO_SNAPSHOT = SnapshotMeta(index=0, term=0, voters=())


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a replica after recovery."""

    journal: Journal
    shelf: Shelf
    directory: StoreDirectory
    machine: StateMachine
    raft: Raft
    snapshot_index: int


def open_group(
    *,
    config: NodeConfig,
    group: int,
    disk: Disk,
    parts: Parts,
    probe: NodeProbe,
    below: Callable[[int], int],
    now_ns: int,
) -> Opened:
    """Recover one group. Raises WrongDisk, LogDamaged, SnapshotUnusable, StoreRefused, UnsupportedStoreForWriterRegistry,
    RaftInvariantBroken: refused to start; LogFailed, StoreFailed, OSError: the disk failed.
    """
    root = f"g{group}"
    if config.store == "memory":
        # Asked before anything is touched: a refused start leaves the disk as it was (B-S2).
        parts.registry(MemoryStore(), probe, f"{root}/store")
    make_directories(disk, root)
    named = check_peers(disk, root, Peers(node=config.name, voters=config.peers), probe)
    make_journal = parts.journal or Journal
    journal = make_journal.open(disk, f"{root}/wal", probe, config.wal_segment_bytes)
    try:
        opened = _open_behind(
            journal,
            config=config,
            group=group,
            disk=disk,
            parts=parts,
            probe=probe,
            below=below,
            now_ns=now_ns,
        )
    except BaseException:
        journal.close()
        raise
    applied = opened.raft.configuration_at(opened.machine.applied)
    if applied.index and applied != named.configuration:
        # The last life died between applying the change and writing it down.
        peers = Peers(node=config.name, voters=config.peers, configuration=applied)
        save_peers(disk, root, peers, probe)
    return opened


def _open_behind(
    journal: Journal,
    *,
    config: NodeConfig,
    group: int,
    disk: Disk,
    parts: Parts,
    probe: NodeProbe,
    below: Callable[[int], int],
    now_ns: int,
) -> Opened:
    """Open everything behind the log: snapshots, store, machine, raft."""
    root = f"g{group}"
    make_files = parts.snapshots or SnapshotFiles
    shelf = Shelf(make_files(disk, f"{root}/snap", probe))
    recovered = journal.recovered
    base = _newest_snapshot(
        shelf, recovered.snapshot, recovered.entries[0].index if recovered.entries else 0
    )
    shelf.put(base)
    directory = StoreDirectory(disk, f"{root}/store", probe)
    machine, have, restored = _open_store(
        config=config,
        group=group,
        directory=directory,
        shelf=shelf,
        base=base,
        parts=parts,
        probe=probe,
    )
    entries = [entry for entry in recovered.entries if entry.index > base.index]
    for entry in entries[: machine.applied - base.index]:
        machine.replay_volatile(entry.data)
    make_raft = parts.raft or Raft
    raft = make_raft(
        RaftConfig(
            id=config.name,
            voters=config.peers,
            election_timeout_ns=config.election_timeout_ns,
            heartbeat_interval_ns=config.heartbeat_interval_ns,
        ),
        Restored(
            hard_state=recovered.hard_state, snapshot=base, entries=entries, applied=machine.applied
        ),
        shelf,
        below,
        now_ns,
    )
    opened = Opened(
        journal=journal,
        shelf=shelf,
        directory=directory,
        machine=machine,
        raft=raft,
        snapshot_index=base.index,
    )
    if probe.tracing:
        _tell(config, group, probe, opened, recovered, have=have, restored=restored)
    return opened


def _tell(
    config: NodeConfig,
    group: int,
    probe: NodeProbe,
    opened: Opened,
    recovered: Recovered,
    *,
    have: int,
    restored: bool,
) -> None:
    """Say what was found. Entries too: the last life may have died between writing one and saying so."""
    raft = opened.raft
    life: dict[str, Any] = {"node": config.name, "incarnation": config.incarnation, "group": group}
    probe.emit(
        Started(
            **life,
            have=have,
            snapshot_index=opened.snapshot_index,
            restored=restored,
            last_index=raft.last_index,
            commit=raft.commit,
            row_horizon=opened.machine.row_horizon,
            torn_bytes=recovered.torn_bytes,
        )
    )
    probe.emit(reconfigured(raft.configuration, applied=False, **life))
    entries = [entry for entry in recovered.entries if entry.index > opened.snapshot_index]
    if entries:
        told = tuple((entry.index, entry.term, entry.data) for entry in entries)
        probe.emit(Appended(**life, entries=told, durable=True))


def open_machine(
    config: NodeConfig, group: int, store: Any, parts: Parts, probe: NodeProbe, *, applied: int
) -> StateMachine:
    """Build the state machine on an open store, with the registry that the store can carry.

    Raises UnsupportedStoreForWriterRegistry, and StoreFailed or RegistryValueMalformed for what the store holds.
    """
    path = f"g{group}/store"
    applier = parts.applier(parts.registry(store, probe, path), probe, config.row_replay_guard)
    settings = MachineConfig(durability=config.applied_index_durability, store_path=path)
    return parts.machine(store, applier, probe, settings, applied)


def _newest_snapshot(shelf: Shelf, recorded: SnapshotMeta, first_entry: int) -> SnapshotMeta:
    """Return the newest snapshot that is whole, that the log knows of, and behind which the log goes on.

    Raises SnapshotUnusable when the log needs one and there is none.
    """
    if recorded.index == 0:
        return NO_SNAPSHOT
    failure: SnapshotUnusable = SnapshotMissing(
        f"the log names a snapshot at {recorded.index}; its files are gone"
    )
    for index in sorted(shelf.files.indexes(), reverse=True):
        if index > recorded.index:
            continue
        try:
            pair = shelf.files.check(index)
        except SnapshotUnusable as error:
            failure = error
            continue
        if index == recorded.index or 0 < first_entry <= index + 1:
            return msgspec.msgpack.decode(pair.meta, type=SnapshotMeta)
    raise failure


def _open_store(
    *,
    config: NodeConfig,
    group: int,
    directory: StoreDirectory,
    shelf: Shelf,
    base: SnapshotMeta,
    parts: Parts,
    probe: NodeProbe,
) -> tuple[StateMachine, int, bool]:
    """Open the store, rebuilding it from the snapshot at `base` where the rules say so.

    Returns the machine with `applied` set, the durable applied index found, and whether it was rebuilt.
    """
    store: Any = MemoryStore() if config.store == "memory" else directory.open()
    try:
        have = store.applied_index()
        restore = (
            config.force_restore_on_start
            or config.applied_index_durability == "snapshot"
            or have < base.index
        )
        ceiling_ms = 0
        pairs: Iterable[tuple[bytes, bytes]] = ()
        if base.index:
            header, pairs = restore_pairs(io.BytesIO(shelf.files.load(base.index)).read)
            ceiling_ms = header.hlc_ceiling_ms
        if restore:
            store = directory.replace(pairs)
        applied = base.index if restore else have
        machine = open_machine(config, group, store, parts, probe, applied=applied)
        machine.hlc_ceiling_ms = ceiling_ms
    except BaseException:
        directory.abandon()
        raise
    return machine, have, restore
