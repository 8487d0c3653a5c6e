"""The faults of links as one host carries them out for its own node, where nobody owns the network between the hosts.

What is cut is dropped at both ends; what is late, lost or slow is so where it is sent, so each host is told the whole and does
the part of its node. The pieces are those of `cluster.worlds.host`: a table of packet filters, netem or a packet queue, queues
at the device that leads to a peer. Everything is recorded before it is done; `close` undoes it. Acts take some 10 ms and block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from cluster.worlds.host.links import Matrix
from cluster.worlds.host.links_rates import has_netem, shape
from cluster.worlds.host.links_table import LinksTable
from cluster.worlds.host.network import is_held, only_loss
from cluster.worlds.host.packet_queue import PacketQueue
from cluster.worlds.host.programs import Here
from cluster.worlds.host.repairs import Change, ChangeLog
from cluster.worlds.ssh.links import device_of, render_shut
from cluster.worlds.world import LinkFault

__all__ = ["OwnLinks"]

Link = tuple[str, str]


class OwnLinks:
    """The links of the node `node`, on its host."""

    def __init__(self, node: str, label: str, changes: ChangeLog, *, seed: int) -> None:
        """`label` (at most 20 letters and digits) tells the run's rules here from those of others."""
        self._node = node
        self._changes = changes
        self._run = Here()
        self._table = LinksTable(f"reprise_{label}", self._run, family="ip")
        self._matrix: Matrix | None = None
        self._queue = PacketQueue(label, "", changes, seed=seed, hook="OUTPUT")
        self._shut = Change("nft-table", f"ip reprise_{label}_clients")
        self._shaped: dict[str, Change] = {}
        self._sent: dict[str, LinkFault] = {}
        """Address of a peer -> how what goes there fares."""

    def apply(
        self, addresses: Mapping[str, str], cut: Sequence[Link], faults: Mapping[Link, LinkFault]
    ) -> None:
        """Let this hold from now on, in place of what held before. `addresses`: the IPv4 addresses of all nodes."""
        mine = {link: fault for link, fault in faults.items() if link[0] == self._node}
        matrix = Matrix(
            addresses=dict(addresses),
            cut=tuple(cut),
            loss={link: fault.loss for link, fault in mine.items() if only_loss(fault)},
        )
        if matrix != self._matrix:
            self._changes.open(self._table.change())
            self._table.apply(matrix)
            self._matrix = matrix
        sent = {addresses[target]: fault for (_, target), fault in mine.items()}
        if sent != self._sent:
            self._apply_sent(addresses[self._node], sent)
            self._sent = sent

    def shut_out(self, nodes: Sequence[str], port: int) -> None:
        """Drop what goes between the node's `port` and whoever has none of the addresses `nodes`."""
        self._changes.open(self._shut)
        self._run(["nft", "-f", "-"], render_shut(self._shut.name, nodes, port))

    def let_in(self) -> None:
        """Clients reach the node again."""
        self._changes.undo(self._shut)

    def drops(self) -> int:
        """How many packets between nodes were dropped so far; netem's losses are not known."""
        return self._table.drops().total() + self._queue.counts().lost

    def close(self) -> None:
        """Undo everything, whatever of it fails. A second call does nothing."""
        with ExitStack() as each:
            for device in [*self._shaped]:
                each.callback(self._changes.undo, self._shaped.pop(device))
            each.callback(self._queue.close)
            each.callback(self._changes.undo, self._table.change())
            each.callback(self.let_in)

    def _apply_sent(self, own: str, sent: Mapping[str, LinkFault]) -> None:
        netem = has_netem(self._run)
        held = {(own, peer): fault for peer, fault in sent.items() if is_held(fault)}
        if not netem:
            self._queue.apply(held)
        shaped: dict[str, dict[str, LinkFault]] = {device: {} for device in self._shaped}
        for peer, fault in sent.items():
            if fault.bandwidth_bps or (netem and is_held(fault)):
                device = device_of(self._run(["ip", "-o", "route", "get", peer]))
                shaped.setdefault(device, {})[peer] = fault
        for device, faults in shaped.items():
            self._shape(device, faults, netem=netem)

    def _shape(self, device: str, faults: Mapping[str, LinkFault], *, netem: bool) -> None:
        change = Change("queue", device)
        if not faults:
            self._changes.undo(self._shaped.pop(device))
            return
        self._changes.open(change)
        shape(self._run, device, faults, netem=netem, active=device in self._shaped)
        self._shaped[device] = change
