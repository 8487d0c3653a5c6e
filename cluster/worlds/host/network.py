"""Every fault of the network between nodes behind one door: what worlds of real machines call.

It keeps what holds now (cuts, shut nodes, bad links), and sends each part to the room that can do it: cuts and plain loss to
one nft table at the bridge, delay and its company to netem or the packet queue, bandwidth to queues at the sender's device.
Everything is recorded before it is done and undone by `heal` and `close`. Acts take some 10 to 100 ms and block: a world
calls them from a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import msgspec

from cluster.worlds.host.links import Drops, Matrix
from cluster.worlds.host.links_rates import has_netem, shape
from cluster.worlds.host.links_table import LinksTable
from cluster.worlds.host.packet_queue import PacketQueue
from cluster.worlds.host.packet_queue_daemon import Counts
from cluster.worlds.host.programs import Here
from cluster.worlds.host.repairs import Change, ChangeLog
from cluster.worlds.world import LinkFault

__all__ = ["HostNetwork", "NodePlace", "is_held", "only_loss"]

Link = tuple[str, str]


class NodePlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node stands in the network: its IPv4 address, its network namespace and its device in there.

    A namespace that is ``""`` or gone belongs to a node that is down: its device has nothing to be shaped.
    """

    address: str
    namespace: str
    device: str = "eth0"


class HostNetwork:
    """The network of one run; the nodes' bridge lies in the network namespace `namespace` (``""``: our own)."""

    def __init__(
        self,
        nodes: Mapping[str, NodePlace],
        *,
        label: str,
        namespace: str,
        changes: ChangeLog,
        seed: int,
    ) -> None:
        """`label` (at most 20 letters and digits) tells the run's rules from those of others."""
        self._nodes = dict(nodes)
        self._changes = changes
        self._namespace = namespace
        self._table = LinksTable(f"reprise_{label}", Here(namespace))
        self._table_change = self._table.change(namespace)
        self._queue = PacketQueue(label, namespace, changes, seed=seed)
        self._netem = has_netem(Here())
        self._cut: tuple[Link, ...] = ()
        self._shut: tuple[str, ...] = ()
        self._faults: dict[Link, LinkFault] = {}
        self._shaped: dict[str, Change] = {}
        self._told: dict[str, int] = {}
        """What `swallowed` came to when it was asked last."""

    def cut(self, links: Sequence[Link]) -> None:
        """Drop everything from first to second of each pair, in place of earlier cuts."""
        self._cut = tuple(links)
        self._apply_table()

    def cut_clients(self, nodes: Sequence[str]) -> None:
        """Drop everything between these nodes and whoever is no node, in place of earlier such cuts."""
        self._shut = tuple(nodes)
        self._apply_table()

    def degrade(self, links: Sequence[Link], fault: LinkFault) -> None:
        """Let packets on these links fare as `fault` says from now on; other bad links stay as they are."""
        self._faults |= dict.fromkeys(links, fault)
        self._apply_table()
        self._apply_queue()
        self._apply_rates()

    def move(self, node: str, place: NodePlace) -> None:
        """A node came back somewhere else (a restarted container has a new namespace): what holds is put in force there."""
        self._nodes[node] = place
        self._shaped.pop(node, None)
        if self._faults:
            self._apply_rates()

    def heal(self) -> None:
        """Undo every fault; what was counted stays."""
        self._cut, self._shut, self._faults = (), (), {}
        self._apply_table()
        self._apply_queue()
        self._apply_rates()

    def drops(self) -> Drops:
        """Packets dropped by cuts and plain loss so far."""
        return self._table.drops()

    def packets(self) -> Counts:
        """What the packet queue did so far."""
        return self._queue.counts()

    def swallowed(self) -> dict[str, int]:
        """Packets dropped on ``links`` and to and from ``clients`` since this was asked last; netem's losses are not known."""
        drops = self.drops()
        now = {
            "links": drops.total() - sum(drops.shut.values()) + self.packets().lost,
            "clients": sum(drops.shut.values()),
        }
        told, self._told = self._told, now
        return {what: now[what] - told.get(what, 0) for what in now}

    def close(self) -> None:
        """Undo everything, whatever of it fails; counts can still be read. A second call does nothing."""
        with ExitStack() as each:
            for node in [*self._shaped]:
                each.callback(self._changes.undo, self._shaped.pop(node))
            each.callback(self._queue.close)
            each.callback(self._changes.undo, self._table_change)
            each.callback(self._table.forget)

    def _apply_table(self) -> None:
        self._changes.open(self._table_change)
        self._table.apply(
            Matrix(
                addresses={name: place.address for name, place in self._nodes.items()},
                cut=self._cut,
                shut=self._shut,
                loss={link: fault.loss for link, fault in self._faults.items() if only_loss(fault)},
            )
        )

    def _apply_queue(self) -> None:
        if self._netem:
            return
        address = {name: place.address for name, place in self._nodes.items()}
        self._queue.apply(
            {
                (address[source], address[target]): fault
                for (source, target), fault in self._faults.items()
                if is_held(fault)
            }
        )

    def _apply_rates(self) -> None:
        for node, place in self._nodes.items():
            faults = {
                self._nodes[target].address: fault
                for (source, target), fault in self._faults.items()
                if source == node and (fault.bandwidth_bps or (self._netem and is_held(fault)))
            }
            self._apply_rates_of(node, place, faults)

    def _apply_rates_of(self, node: str, place: NodePlace, faults: dict[str, LinkFault]) -> None:
        standing = self._shaped.get(node)
        if not faults:
            if standing is not None:
                self._changes.undo(self._shaped.pop(node))
            return
        run = Here(place.namespace)
        if not run.is_elsewhere():
            return
        change = Change("queue", place.device, place.namespace)
        self._changes.open(change)
        shape(run, place.device, faults, netem=self._netem, active=standing is not None)
        self._shaped[node] = change


def is_held(fault: LinkFault) -> bool:
    """Whether somebody must hold the packets: more than plain loss is asked."""
    return bool(fault.delay_ns or fault.jitter_ns or fault.duplication)


def only_loss(fault: LinkFault) -> bool:
    """Whether plain loss is asked, which the table of links does alone."""
    return fault.loss > 0 and not is_held(fault)
