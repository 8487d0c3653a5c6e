"""Disks of nodes whose folders lie on this machine: plain folders with an undo log, or mounts that lose power by themselves.

A mounted disk is mounted at ``DIRECTORY/nodes/<node>/data`` while the world is up, and lies in ``<node>/disk`` beside it.
At the end the files move to ``data``, so that a run folder looks the same whatever disk its nodes had; the ledger lies beside it
(`cluster.worlds.real.ledgers`).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cluster.node.dump import dump_disk
from cluster.node.process_config import ProcessConfig
from cluster.storage.real_disk import RealDisk
from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.power_disk.device import DeviceFault
from cluster.worlds.host.power_disk.power_disk import PowerDisk
from cluster.worlds.real.ledgers import LedgerFile
from cluster.worlds.world import DiskFault

__all__ = ["MountedDisks", "NodeDisk"]


class MountedDisks:
    """The disks of a world's nodes, by name. Blocking where nothing is said: orders take a millisecond."""

    def __init__(self, owner: tuple[int, int] | None = None) -> None:
        """`owner` (user, group) is whom the nodes run as, where that is not this process's."""
        self._owner = owner
        self._disks: dict[str, PowerDisk] = {}
        self.ledgers: dict[str, LedgerFile] = {}
        """What was put aside, by node."""

    async def open(self, folders: Mapping[str, Path]) -> None:
        """Mount a disk in every folder. Raises WorldFailed, in one line, on a machine without FUSE."""
        for name, folder in folders.items():
            self._disks[name] = PowerDisk(folder / "disk", folder / "data", owner=self._owner)
            self.ledgers[name] = LedgerFile(folder / "ledger.jsonl")
        starts = [asyncio.to_thread(disk.start) for disk in self._disks.values()]
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def of(self, node: str) -> PowerDisk:
        """A node's disk. Raises WorldFailed for nodes of a world that is not up."""
        if node not in self._disks:
            raise WorldFailed(f"{node} has no disk: the world is not up")
        return self._disks[node]

    def power_on(self, node: str) -> None:
        """Give the disk of a node that is down its power back, once its ledger is put aside, and what is found on it."""
        disk = self.of(node)
        self.ledgers[node].put_aside(disk)
        disk.power_on()

    def power_loss(self, node: str) -> None:
        """Let the disk of a node that is down lose what is not synced, and put aside what is left and why."""
        disk = self.of(node)
        disk.power_loss()
        self.ledgers[node].put_aside(disk)

    def fault(self, node: str, fault: DiskFault) -> None:
        """See `cluster.worlds.world.DiskFaults`."""
        self.of(node).fault(DeviceFault(fault.kind, fault.path, fault.extra_ns))

    def close(self) -> None:
        """Unmount everything; the nodes must be dead. A second call does nothing. What fails is raised last."""
        failures: list[WorldFailed] = []
        while self._disks:
            node, disk = self._disks.popitem()
            try:
                self.ledgers[node].put_aside(disk)
            except WorldFailed as failure:
                failures.append(failure)
            try:
                disk.close()
            except WorldFailed as failure:
                failures.append(failure)
                continue
            files = disk.source / "files"
            if files.exists():
                disk.mount.rmdir()
                files.rename(disk.mount)
                shutil.rmtree(disk.source)
        if failures:
            raise failures[0]


class NodeDisk:
    """One node's disk as its host handles it. Blocking."""

    def __init__(self, node: str, data: Path, mounted: MountedDisks | None) -> None:
        """`data` is the data directory here; `mounted` are the disks of which one is mounted there, None: it is a plain folder."""
        self._node = node
        self._data = data
        self._mounted = mounted

    def power_on(self, config: ProcessConfig) -> ProcessConfig:
        """Make it ready for a start; returns `config` with what the node must know of its disk."""
        if self._mounted is None:
            return config
        self._mounted.power_on(self._node)
        return msgspec.structs.replace(config, undo_log=False, mounted=True)

    def lose_power(self) -> None:
        """Take back what is not synced; the node is down."""
        if self._mounted is None:
            RealDisk.recover_power_loss(self._data, None)
        else:
            self._mounted.power_loss(self._node)

    def dump(self) -> dict[str, Any]:
        """Read it without recovery; the node is down."""
        if self._mounted is not None:
            self._mounted.power_on(self._node)
        return dump_disk(RealDisk(self._data))
