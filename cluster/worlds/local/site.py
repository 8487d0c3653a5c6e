"""Hosts that are nothing but this machine: processes on loopback, a folder each. See `cluster.worlds.real.host`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cluster.node.process_config import Address, ProcessConfig
from cluster.worlds.local.leftovers import ProcessList, end_leftovers, lists_directory
from cluster.worlds.local.ports import HOST, HeldPorts
from cluster.worlds.local.process import NodeProcess
from cluster.worlds.real.disks import NodeDisk
from cluster.worlds.real.host import Ended, Host
from cluster.worlds.real.nearby import Surroundings

__all__ = ["LocalSite"]


class LocalSite:
    """Implements `Site`: held ports, and a list of processes for the next run should this one be killed."""

    def __init__(self, surroundings: Surroundings, listen: Address = (HOST, 0)) -> None:
        """`listen`: see `HeldPorts`."""
        self._surroundings = surroundings
        self._listen = listen
        self._ports: HeldPorts | None = None
        self._list: ProcessList | None = None
        self._hosts: dict[str, _LocalHost] = {}

    async def open(self, cluster: str, folders: Mapping[str, Path]) -> Mapping[str, Host]:
        """See `Site`."""
        lists = lists_directory()
        end_leftovers(lists)
        self._ports = HeldPorts(tuple(folders), self._listen)
        self._list = ProcessList(lists, cluster)
        for folder in folders.values():
            (folder / "data").mkdir()
        await self._surroundings.open(folders)
        for name, folder in folders.items():
            disk = self._surroundings.disk(name, folder)
            address = self._ports.addresses[name]
            environment = self._surroundings.environment(str(folder))
            self._hosts[name] = _LocalHost(folder, address, self._list, disk, environment)
        return self._hosts

    def close(self) -> None:
        """See `Site`."""
        for host in self._hosts.values():
            host.destroy()
        self._surroundings.close()
        if self._list is not None:
            self._list.close()
        if self._ports is not None:
            self._ports.release()


class _LocalHost:
    def __init__(
        self,
        folder: Path,
        address: Address,
        processes: ProcessList,
        disk: NodeDisk,
        environment: Mapping[str, str],
    ) -> None:
        self.address = address
        self.home = str(folder)
        self.parent = os.getpid()
        self._folder = folder
        self._processes = processes
        self._disk = disk
        self._environment = environment
        self._process: NodeProcess | None = None

    async def start(self, config: ProcessConfig, ended: Ended) -> NodeProcess:
        """See `Host`."""
        config = self._disk.power_on(config)
        file = self._folder / "config.json"
        file.write_bytes(msgspec.json.format(msgspec.json.encode(config)))

        def gone(exit_code: int, ended_ns: int) -> None:
            self._processes.remove(process.pid)
            ended(exit_code, ended_ns)

        process = NodeProcess(file, self._folder / "node.log", gone, self._environment)
        self._process = process
        self._processes.add(process.pid, str(file))
        return process

    async def lose_power(self) -> None:
        """See `Host`."""
        self._disk.lose_power()

    async def dump(self) -> dict[str, Any]:
        """See `Host`."""
        return self._disk.dump()

    def destroy(self) -> None:
        """End what runs."""
        if self._process is not None:
            self._process.destroy()
