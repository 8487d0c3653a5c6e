"""Taking a local snapshot, and installing one that a leader sent: two sequences of durable steps.

Specification §3.8.7: file complete and durable (D6), durable applied index at or above it (D4), raft snapshot record (D7), log
record (D7), then compaction and purge; in this order a crash anywhere leaves an older complete pair or the new one, and
the durable applied index never claims effects that are not durable.

Specification §3.8.8, repaired order: the received file is verified and durable, the log records it (D7), then the store is
swapped (D9). A crash between the last two means "have < snapshot", hence a full restore at the next start.
"""

from __future__ import annotations

import io
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from cluster.machine.snapshot_stream import restore_pairs
from cluster.node.membership import save_configuration
from cluster.node.recovery import open_machine
from cluster.raft.messages import SnapshotMeta
from cluster.storage.snapshot_files import SnapshotUnusable
from cluster.trace import Installed, SnapshotTaken

if TYPE_CHECKING:
    from cluster.node.replica import Replica

__all__ = ["install_received", "take_snapshot"]

CHUNK_BYTES = 256 * 1024


def take_snapshot(replica: Replica) -> Generator[None, None, None]:
    """Take one, a piece at a time: the owner calls `next` until it ends and may apply entries in between.

    The owner closes it when it is to be given up.
    """
    probe, machine, raft, files = replica.probe, replica.machine, replica.raft, replica.shelf.files
    probe.reach("snap.trigger")
    index = machine.applied
    meta = raft.meta_at(index)
    state_hash = machine.state_hash()
    stream = b"".join(machine.dump())
    probe.reach("snap.store_snapshot_taken")
    yield
    with closing(files.create(index)) as writer:
        for offset in range(0, len(stream), CHUNK_BYTES):
            writer.write(stream[offset : offset + CHUNK_BYTES])
            yield
        token = writer.finish()
    machine.set_durable_applied_index(index)
    probe.reach("snap.applied_index_bumped")
    files.save_record(token, msgspec.msgpack.encode(meta))
    probe.reach("snap.raft_snap_file_written")
    replica.journal.save_snapshot(meta)
    probe.reach("snap.wal_snap_record_saved")
    replica.shelf.put(meta)
    replica.snapshot_index = index
    if probe.tracing:
        probe.emit(
            SnapshotTaken(
                node=replica.config.name,
                incarnation=replica.config.incarnation,
                group=replica.group,
                index=index,
                size_bytes=len(stream),
                state_hash=state_hash,
            )
        )
    raft.compact(max(index - replica.config.log_entries_kept, raft.first_index - 1))
    probe.reach("snap.log_compacted")
    files.purge(recorded=index, keep=replica.config.snapshots_kept)
    replica.journal.release(min(files.indexes()))
    probe.reach("snap.purged")


def install_received(replica: Replica, meta: SnapshotMeta) -> None:
    """Install the snapshot whose last chunk was just spooled; a spool that does not verify is refused, nothing changes."""
    probe, files = replica.probe, replica.shelf.files
    try:
        token = files.spool_finish()
    except SnapshotUnusable:
        replica.raft.refuse_snapshot(meta)
        return
    files.save_record(token, msgspec.msgpack.encode(meta))
    replica.journal.reset(meta)
    probe.reach("inst.wal_saved")
    header, pairs = restore_pairs(io.BytesIO(files.load(meta.index)).read)
    store = replica.directory.replace(pairs)
    probe.reach("inst.after_restore")
    replica.machine = open_machine(
        replica.config, replica.group, store, replica.parts, probe, applied=meta.index
    )
    replica.machine.hlc_ceiling_ms = header.hlc_ceiling_ms
    replica.machine.set_durable_applied_index(meta.index)
    save_configuration(replica, meta.configuration)
    probe.reach("inst.peers_saved")
    replica.shelf.put(meta)
    replica.snapshot_index = meta.index
    if probe.tracing:
        probe.emit(
            Installed(
                node=replica.config.name,
                incarnation=replica.config.incarnation,
                group=replica.group,
                index=meta.index,
                state_hash=replica.machine.state_hash(),
            )
        )
