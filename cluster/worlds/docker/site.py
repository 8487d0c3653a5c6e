"""Hosts that are containers of this machine. See `cluster.worlds.real.host`.

Each node has a container of its own: no capabilities, not root, nothing writable but its folder, which is the one of the
run: what it logs and traces lies where the world reads it. A container is made once and started for every life; what
differs stands in ``config.json``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec

from cluster.node.process_config import Address, ProcessConfig
from cluster.worlds.docker.container import ContainerLife
from cluster.worlds.docker.daemon import connect, require_host
from cluster.worlds.docker.image import USER_ID
from cluster.worlds.docker.leftovers import labels, remove_leftovers, remove_run
from cluster.worlds.docker.network import make_network
from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.network import HostNetwork, NodePlace
from cluster.worlds.host.repairs import ChangeLog, changes_directory, repair
from cluster.worlds.real.disks import NodeDisk
from cluster.worlds.real.host import Ended, Host
from cluster.worlds.real.nearby import Surroundings

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

__all__ = ["PORT", "DockerSite"]

PORT = 7000
_HOME = "/node"
_COMMAND = f"exec python -m cluster.node.main --config {_HOME}/config.json >>{_HOME}/node.log 2>&1"


class DockerSite:
    """Implements `Site`."""

    def __init__(self, image: str, seed: int, surroundings: Surroundings) -> None:
        """`image` is the tag of a node image; `seed` decides what becomes of packets on bad links."""
        self._image = image
        self._seed = seed
        self._surroundings = surroundings
        self._client: DockerClient | None = None
        self._run = ""
        self.changes: ChangeLog | None = None
        """What is changed on this host; there is one after `open`."""
        self.label = ""
        """Tells the rules of this run from those of others."""
        self.network: HostNetwork | None = None
        """The faults of links; there is one after `open`."""

    async def open(self, cluster: str, folders: Mapping[str, Path]) -> Mapping[str, Host]:
        """See `Site`. Raises WorldMissing too."""
        require_host()
        self._client = connect()
        self._run = cluster
        self.label = f"{crc32(cluster.encode()):08x}"
        await self._surroundings.open(folders)
        return await asyncio.to_thread(self._make, folders)

    def close(self) -> None:
        """See `Site`."""
        client = self._client
        if client is None:
            return
        try:
            if self.network is not None:
                self.network.close()
            if self.changes is not None:
                self.changes.close()
        finally:
            try:
                remove_run(client, self._run)
            finally:
                client.close()
                self._surroundings.close()

    def _make(self, folders: Mapping[str, Path]) -> Mapping[str, Host]:
        client = self._client
        assert client is not None
        repair(changes_directory())
        remove_leftovers(client)
        network, addresses = make_network(client, self._run, list(folders))
        hosts: dict[str, Host] = {}

        def create(name: str) -> Container:
            return _create(
                client,
                name,
                folders[name],
                image=self._image,
                run=self._run,
                address=addresses[name],
                network=str(network.name),
                environment=self._surroundings.environment(_HOME),
            )

        with ThreadPoolExecutor(max_workers=len(folders)) as pool:
            containers = dict(zip(folders, pool.map(create, folders), strict=True))
        for name, folder in folders.items():
            hosts[name] = DockerHost(
                folder,
                (addresses[name], PORT),
                containers[name],
                self._surroundings.disk(name, folder),
                self._moved(name),
            )
        self.changes = ChangeLog(changes_directory(), self._run)
        self.network = HostNetwork(
            {name: NodePlace(address=place, namespace="") for name, place in addresses.items()},
            label=self.label,
            namespace="",
            changes=self.changes,
            seed=self._seed,
        )
        return hosts

    def _moved(self, node: str) -> Callable[[NodePlace], None]:
        def moved(place: NodePlace) -> None:
            assert self.network is not None
            self.network.move(node, place)

        return moved


class DockerHost:
    """Implements `Host`: a container, and its folder here."""

    def __init__(
        self,
        folder: Path,
        address: Address,
        container: Container,
        disk: NodeDisk,
        moved: Callable[[NodePlace], None],
    ) -> None:
        """`moved` is told where the node stands in the network whenever it was started."""
        self.address = address
        self.home = _HOME
        self.parent = 0
        self.container = container
        self._folder = folder
        self._disk = disk
        self._moved = moved

    async def start(self, config: ProcessConfig, ended: Ended) -> ContainerLife:
        """See `Host`."""
        await asyncio.to_thread(self._start, config)
        life = ContainerLife(self.container, ended)
        place = NodePlace(address=self.address[0], namespace=f"/proc/{life.pid}/ns/net")
        await asyncio.to_thread(self._moved, place)
        return life

    async def lose_power(self) -> None:
        """See `Host`."""
        await asyncio.to_thread(self._disk.lose_power)

    async def dump(self) -> dict[str, Any]:
        """See `Host`."""
        return await asyncio.to_thread(self._disk.dump)

    def _start(self, config: ProcessConfig) -> None:
        from docker.errors import APIError  # noqa: PLC0415 - an extra

        config = self._disk.power_on(config)
        _give(self._folder / "config.json", msgspec.json.format(msgspec.json.encode(config)))
        _give_back(self._folder / "data")
        try:
            self.container.wait()  # the daemon must have noticed the end of the last life
            self.container.start()
            self.container.reload()
        except APIError as error:
            raise WorldFailed(
                f"{self.container.name} does not start: {error.explanation}"
            ) from error


def _create(
    client: DockerClient,
    node: str,
    folder: Path,
    *,
    image: str,
    run: str,
    address: str,
    network: str,
    environment: dict[str, str],
) -> Container:
    from docker.types import LogConfig, Mount  # noqa: PLC0415 - an extra

    os.chown(folder, USER_ID, USER_ID)
    return client.containers.create(
        image,
        entrypoint=["sh", "-c", _COMMAND],
        name=f"reprise-{run}-{node}",
        hostname=node,
        environment=environment,
        labels=labels(run),
        user=f"{USER_ID}:{USER_ID}",
        mounts=[Mount(_HOME, str(folder), type="bind")],
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        log_config=LogConfig(type="none"),
        network=network,
        networking_config={network: client.api.create_endpoint_config(ipv4_address=address)},
    )


def _give_back(data: Path) -> None:
    """Let the node own its disk again: what was rolled back, damaged or restored here was written by root."""
    if data.exists():
        for path in (data, *data.rglob("*")):
            os.chown(path, USER_ID, USER_ID, follow_symlinks=False)


def _give(path: Path, content: bytes) -> None:
    """Write a file that the node may read, whatever the umask of the harness is."""
    path.write_bytes(content)
    path.chmod(0o644)
