"""The private network of a run: one bridge, fixed IPv4 addresses, in a subnet that nobody on this machine uses."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.worlds.docker.leftovers import labels
from cluster.worlds.errors import WorldFailed

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.networks import Network

__all__ = ["FIRST_HOST", "POOL", "free_subnets", "make_network", "routed"]

Subnet = ipaddress.IPv4Network

POOL = ipaddress.IPv4Network("10.213.0.0/16")
"""Where our subnets come from, one /24 each."""
FIRST_HOST = 11
"""The last number of the first node's address."""


def free_subnets(taken: Iterable[Subnet]) -> Iterable[Subnet]:
    """Yield the subnets of the pool that overlap none of `taken`, in order."""
    taken = list(taken)
    return (
        subnet
        for subnet in POOL.subnets(new_prefix=24)
        if not any(subnet.overlaps(other) for other in taken)
    )


def routed(table: str) -> list[Subnet]:
    """Return the networks in `table` (the text of /proc/net/route) but the default."""
    found = []
    for line in table.splitlines()[1:]:
        _, destination, _, _, _, _, _, mask, *_ = line.split("\t")
        if int(mask, 16):
            found.append(ipaddress.IPv4Network((_address(destination), _address(mask))))
    return found


def make_network(
    client: DockerClient, run: str, nodes: Sequence[str]
) -> tuple[Network, dict[str, str]]:
    """Make the network of `run`; returns it and the nodes' addresses. Raises WorldFailed when no subnet is free."""
    from docker.errors import APIError  # noqa: PLC0415 - an extra
    from docker.types import IPAMConfig, IPAMPool  # noqa: PLC0415 - an extra

    for subnet in free_subnets([*routed(Path("/proc/net/route").read_text()), *_known(client)]):
        pool = IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))])
        try:
            network = client.networks.create(
                f"reprise-{run}", driver="bridge", ipam=pool, labels=labels(run)
            )
        except APIError as error:
            if "overlaps" in str(error.explanation):
                continue  # another run was faster
            raise
        hosts = {name: str(subnet[FIRST_HOST + place]) for place, name in enumerate(nodes)}
        return network, hosts
    raise WorldFailed(f"every subnet of {POOL} is in use; remove networks: docker network prune")


def _known(client: DockerClient) -> list[Subnet]:
    """The subnets of Docker's networks: one that is down has no route."""
    configured = [
        pool
        for network in client.networks.list()
        for pool in (network.attrs["IPAM"]["Config"] or [])
    ]
    subnets = [ipaddress.ip_network(pool["Subnet"]) for pool in configured]
    return [subnet for subnet in subnets if isinstance(subnet, Subnet)]


def _address(word: str) -> str:
    return socket.inet_ntoa(struct.pack("<I", int(word, 16)))
