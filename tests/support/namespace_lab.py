"""A network of our own on this machine: namespaces for nodes and a client, joined by a bridge in a namespace of its own.

Nothing of it touches the machine's network: no device, no rule, no address appears outside. A socket made for a node lives in
the node's namespace and is used from the test's own thread, so that packets travel for real and no process must be started.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cluster.worlds.host.network import NodePlace

CLONE_NEWNET = 0x40000000
CLIENT = "c1"


def run(*words: str, text: str = "") -> str:
    """Run one program of the machine; a failure ends the test with what it said."""
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


class NamespaceLab:
    """Nodes, one client and the hub; a context manager that takes everything away again."""

    def __init__(self, nodes: Sequence[str] = ("n1", "n2", "n3")) -> None:
        self._prefix = f"reprise-{os.getpid()}-{time.monotonic_ns() % 1_000_000}"
        self.hub = self._path("hub")
        members = [*nodes, CLIENT]
        self.addresses = {name: f"10.77.0.{10 + number}" for number, name in enumerate(members)}
        self.places = {
            name: NodePlace(address=self.addresses[name], namespace=self._path(name))
            for name in nodes
        }

    def __enter__(self) -> Self:
        hub = self._name("hub")
        run("ip", "netns", "add", hub)
        run("ip", "-n", hub, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", hub, "address", "add", "10.77.0.254/24", "dev", "br0")
        run("ip", "-n", hub, "link", "set", "br0", "up")
        for name, address in self.addresses.items():
            own = self._name(name)
            run("ip", "netns", "add", own)
            port = f"to-{name}"
            run("ip", "-n", hub, "link", "add", port, "type", "veth", "peer", "eth0", "netns", own)
            run("ip", "-n", hub, "link", "set", port, "master", "br0", "up")
            run("ip", "-n", own, "address", "add", f"{address}/24", "dev", "eth0")
            run("ip", "-n", own, "link", "set", "eth0", "up")
        switch = "/proc/sys/net/bridge/bridge-nf-call-iptables"
        run("nsenter", f"--net={self.hub}", "sh", "-c", f"echo 1 > {switch}")
        return self

    def __exit__(self, *_: object) -> None:
        for name in [*self.addresses, "hub"]:
            run("ip", "netns", "del", self._name(name))

    def socket(self, name: str, kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
        """A socket in the namespace of a node or the client, bound to its address and a free port."""
        with Path("/proc/self/ns/net").open() as own, Path(self._path(name)).open() as other:
            _enter(other.fileno())
            try:
                made = socket.socket(socket.AF_INET, kind)
            finally:
                _enter(own.fileno())
        made.bind((self.addresses[name], 0))
        made.settimeout(2.0)
        return made

    def passes(self, source: str, target: str, *, packets: int = 3, wait_s: float = 0.1) -> int:
        """Send packets from one to the other; how many came."""
        return len(self.arrivals(source, target, packets=packets, wait_s=wait_s))

    def arrivals(
        self, source: str, target: str, *, packets: int, wait_s: float
    ) -> list[tuple[int, float]]:
        """Send numbered packets in one burst; (number, seconds under way) of each that came, in order of arrival."""
        with self.socket(source) as sender, self.socket(target) as receiver:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            receiver.settimeout(wait_s)
            sent = []
            for number in range(packets):
                sent.append(time.monotonic())
                sender.sendto(number.to_bytes(4, "big"), receiver.getsockname())
            came = []
            while True:
                try:
                    number = int.from_bytes(receiver.recv(64), "big")
                except TimeoutError:
                    return came
                came.append((number, time.monotonic() - sent[number]))

    def _name(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _path(self, name: str) -> str:
        return f"/run/netns/{self._name(name)}"


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
