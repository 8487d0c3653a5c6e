"""Disks of local nodes that can lose their power by themselves: one mount for each node's data directory.

A node's disk is mounted at ``DIRECTORY/nodes/<node>/data`` while the world is up, and lies in ``<node>/disk`` beside it.
At the end the files move to ``data``, so that a run folder looks the same whatever disk its nodes had.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.power_disk.device import DeviceFault
from cluster.worlds.host.power_disk.power_disk import PowerDisk
from cluster.worlds.world import DiskFault

__all__ = ["MountedDisks"]


class MountedDisks:
    """The disks of a world's nodes, by name. Blocking where nothing is said: orders take a millisecond."""

    def __init__(self) -> None:
        self._disks: dict[str, PowerDisk] = {}

    async def open(self, folders: Mapping[str, Path]) -> None:
        """Mount a disk in every folder. Raises WorldFailed, in one line, on a machine without FUSE."""
        for name, folder in folders.items():
            self._disks[name] = PowerDisk(folder / "disk", folder / "data")
        starts = [asyncio.to_thread(disk.start) for disk in self._disks.values()]
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def of(self, node: str) -> PowerDisk:
        """A node's disk. Raises WorldFailed for nodes of a world that is not up."""
        if node not in self._disks:
            raise WorldFailed(f"{node} has no disk: the world is not up")
        return self._disks[node]

    def fault(self, node: str, fault: DiskFault) -> None:
        """See `cluster.worlds.world.DiskFaults`."""
        self.of(node).fault(DeviceFault(fault.kind, fault.path, fault.extra_ns))

    def close(self) -> None:
        """Unmount everything; the nodes must be dead. A second call does nothing. What fails is raised last."""
        failures: list[WorldFailed] = []
        while self._disks:
            _, disk = self._disks.popitem()
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
