"""Reading a stopped node's disk without recovering it (observation O5).

The disk is copied into memory first and everything is opened on the copy, so that looking changes nothing: a torn tail
is still torn, an interrupted swap still interrupted. Plain data comes out; what cannot be read is said, not raised.
"""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from cluster.encryption.registry_rows import REGISTRY_PREFIX
from cluster.machine.state_hash import StateHash
from cluster.node.journal import Journal
from cluster.node.membership import described
from cluster.probe import SilentProbe
from cluster.raft.configuration import decode_configuration, is_configuration
from cluster.raft.messages import SnapshotMeta
from cluster.storage.disk import Disk
from cluster.storage.sim_disk import SimDisk
from cluster.storage.snapshot_files import SnapshotFiles, SnapshotUnusable
from cluster.storage.store_directory import StoreDirectory

__all__ = ["copy_disk", "dump_disk"]

_UNFINISHED = (".tmp", ".spool", ".backup", ".new")


def copy_disk(disk: Disk) -> SimDisk:
    """Return a copy in memory of everything visible on `disk`, all of it durable there."""
    copy = SimDisk()
    for path, content in _files(disk, ""):
        directory = ""
        for name in path.split("/")[:-1]:
            directory = f"{directory}/{name}" if directory else name
            if not copy.exists(directory):
                copy.mkdir(directory)
        if content is not None:
            file = copy.open(path, create=True)
            file.write(0, content)
            file.fsync()
            file.close()
    return copy


def dump_disk(disk: Disk) -> dict[str, Any]:
    """Return what is on a stopped node's disk, by group: log, hard state, snapshots, rows, applied index, leftovers."""
    copy = copy_disk(disk)
    groups = [name for name in copy.list("") if name.startswith("g") and name[1:].isdigit()]
    return {"groups": {name[1:]: _dump_group(copy, name) for name in groups}}


def _dump_group(disk: SimDisk, root: str) -> dict[str, Any]:
    leftovers = [
        path for path, _ in _files(disk, root) if any(part in path for part in _UNFINISHED)
    ]
    report: dict[str, Any] = {"unfinished": leftovers}
    for part, read in (("log", _dump_log), ("snapshots", _dump_snapshots), ("store", _dump_store)):
        try:
            report[part] = read(disk, root)
        except Exception as error:  # noqa: BLE001 - whatever is broken on this disk is the answer
            report[part] = {"unreadable": f"{type(error).__name__}: {error}"}
    return report


def _dump_log(disk: SimDisk, root: str) -> dict[str, Any]:
    journal = Journal.open(disk, f"{root}/wal", SilentProbe(), 1 << 62)
    found = journal.recovered
    journal.close()
    state = found.hard_state
    return {
        "term": state.term,
        "vote": state.vote,
        "commit": state.commit,
        "snapshot_index": found.snapshot.index,
        "torn_bytes": found.torn_bytes,
        "entries": [[entry.index, entry.term, zlib.crc32(entry.data)] for entry in found.entries],
        "configurations": [
            described(decode_configuration(entry.data, entry.index))
            for entry in found.entries
            if is_configuration(entry.data)
        ],
    }


def _dump_snapshots(disk: SimDisk, root: str) -> list[dict[str, Any]]:
    files = SnapshotFiles(disk, f"{root}/snap", SilentProbe())
    found: list[dict[str, Any]] = []
    for index in files.indexes():
        try:
            meta = msgspec.msgpack.decode(files.check(index).meta, type=SnapshotMeta)
            configuration = described(meta.configuration)
            found.append({"index": index, "usable": True, "configuration": configuration})
        except SnapshotUnusable as error:
            found.append({"index": index, "usable": False, "why": str(error)})
    return found


def _dump_store(disk: SimDisk, root: str) -> dict[str, Any]:
    directory = StoreDirectory(disk, f"{root}/store", SilentProbe())
    store = directory.open()
    stored = store.scan(b"")
    report = {
        "applied": store.applied_index(),
        "rows": {
            key.hex(): value.hex() for key, value in stored if key.startswith(REGISTRY_PREFIX)
        },
        "state_hash": StateHash(stored).value(),
    }
    store.close()
    return report


def _files(disk: Disk, path: str) -> list[tuple[str, bytes | None]]:
    """All files below `path` with their content; a directory stands as ``path/`` with None."""
    found: list[tuple[str, bytes | None]] = []
    for name in disk.list(path):
        child = f"{path}/{name}" if path else name
        try:
            file = disk.open(child)
        except OSError:
            found += [(f"{child}/", None), *_files(disk, child)]
            continue
        found.append((child, file.read(0, file.size())))
        file.close()
    return found
