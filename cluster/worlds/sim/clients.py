"""Clients of a simulated cluster: their lines, and the way of a request and its reply.

A client's network is its own: requests may be late, and are lost only with the node that took them, or where clients are
cut off.
"""

from __future__ import annotations

from collections.abc import Mapping

from cluster.node.node import Node
from cluster.node.requests import Reply, Request, refused, unknown
from cluster.worlds.sim.kernel import Future, Kernel
from cluster.worlds.sim.network import Network
from cluster.worlds.sim.place import Place
from cluster.worlds.sim.recorder import Recorder
from cluster.worlds.sim.scheduler import Scheduler

__all__ = ["CLIENT", "Clients", "SimConnection"]

CLIENT = "client"


class Clients:
    """Carries requests to nodes and replies back. `scheduler` is set once it exists: the two need each other."""

    scheduler: Scheduler

    def __init__(
        self, kernel: Kernel, network: Network, places: Mapping[str, Place], recorder: Recorder
    ) -> None:
        self.kernel = kernel
        self._network = network
        self._places = places
        self._recorder = recorder
        self._requests = 0

    def ask(self, node: str, request: Request, future: Future[Reply]) -> None:
        """Send `request` on its way to `node`; `future` gets the reply if one comes."""
        self._requests += 1
        place = self._places[node]
        for time_ns in self._network.arrivals(CLIENT, node, self.kernel.now_ns):
            self.kernel.at(time_ns, self._deliver, place, self._requests, request, future)

    def answer(self, place: Place, number: int, reply: Reply) -> None:
        """A node completed a request."""
        future = place.waiting.pop(number, None)
        if future is not None:
            self._send(place, future, reply)

    def lost(self, place: Place) -> None:
        """The node ended: nobody knows what became of the requests it had taken."""
        waiting, place.waiting = place.waiting, {}
        reply = unknown("Unavailable", f"{place.name} died before it answered")
        for future in waiting.values():
            self._send(place, future, reply)

    def _deliver(self, place: Place, number: int, request: Request, future: Future[Reply]) -> None:
        node = place.node
        if self._network.cuts and (CLIENT, place.name) in self._network.cuts:
            self._network.dropped += 1
            return
        if node is None:
            self._send(place, future, refused("Unavailable", f"{place.name} is down"))
            return
        if self.scheduler.held(place, self._deliver, place, number, request, future):
            return
        place.waiting[number] = future
        self._recorder.delivered(place, number)
        self.scheduler.act(place, _do_request, node, number, request)

    def _send(self, place: Place, future: Future[Reply], reply: Reply) -> None:
        leaves_ns = self.kernel.now_ns + place.disk.elapsed_ns
        for time_ns in self._network.arrivals(place.name, CLIENT, leaves_ns):
            self.kernel.at(time_ns, future.resolve, reply)


def _do_request(local_ns: int, node: Node, number: int, request: Request) -> None:
    node.request(number, request, local_ns)
    node.work(local_ns)


class SimConnection:
    """A client's line in simulation; see `cluster.worlds.world.Connection`."""

    __slots__ = ("_clients", "node")

    def __init__(self, clients: Clients, node: str) -> None:
        self._clients = clients
        self.node = node

    async def call(self, request: Request, timeout_ns: int) -> Reply:
        """See `Connection`."""
        kernel = self._clients.kernel
        future: Future[Reply] = Future(kernel)
        self._clients.ask(self.node, request, future)
        late = unknown(
            "DeadlineExceeded", f"no answer from {self.node} within {timeout_ns / 1e9:g} s"
        )
        kernel.at(kernel.now_ns + timeout_ns, future.resolve, late)
        return await future

    def close(self) -> None:
        """Nothing to let go of."""
