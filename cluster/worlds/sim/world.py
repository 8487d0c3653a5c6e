"""The simulated world: nodes, network, disks, clocks and clients in one process on one heap.

This room is the door: it starts and strikes nodes and puts the other rooms together. What a node does comes from
`cluster.node`; `scheduler` says when it acts and what that costs, `network` what happens to a message, `clients` how requests
travel, `SimDisk` what a disk keeps, and `recorder` writes down what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from cluster.machine.parts import Parts
from cluster.node.clock import NodeClock, WallClock
from cluster.node.config import NodeConfig
from cluster.node.crash_points import check_order
from cluster.node.dump import dump_disk
from cluster.node.node import Node
from cluster.node.replica import Outbox
from cluster.node.requests import CrashOrder, Reply
from cluster.probe import Crash
from cluster.raft.messages import Message
from cluster.storage.sim_disk import SimDisk
from cluster.trace import Armed, Event
from cluster.worlds.damage import Damager, must_be_down
from cluster.worlds.sim.clients import CLIENT, Clients, SimConnection
from cluster.worlds.sim.files import SimTree
from cluster.worlds.sim.kernel import Future, Kernel, SimMailbox
from cluster.worlds.sim.network import LinkModel, Network
from cluster.worlds.sim.place import Place
from cluster.worlds.sim.recorder import Recorder
from cluster.worlds.sim.scheduler import Scheduler
from cluster.worlds.tape import Tape
from cluster.worlds.world import DiskFault, FileDamage, LinkFault

__all__ = ["SimOptions", "SimWorld"]

_MS = 1_000_000
EPOCH_NS = 1_577_836_800_000_000_000
"""What a right wall clock says when a run begins: the first moment of 2020."""


class SimOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the simulated surroundings are like."""

    link: LinkModel = LinkModel()
    client_link: LinkModel = LinkModel(delay_min_ns=200_000, delay_max_ns=1 * _MS, ordered=True)
    fsync_ns: int = 500_000
    write_ns: int = 5_000
    drift_ppm_max: int = 200
    """Each node's clock runs fast or slow by up to this many parts per million."""
    restart_delay_ns: int = 20 * _MS
    """From the order to start a node until its process runs."""


class _Outbox:
    """What one incarnation says; everything leaves at the node's own time."""

    __slots__ = ("_clients", "_deliver", "_kernel", "_network", "_place", "_places")

    def __init__(
        self,
        place: Place,
        *,
        places: Mapping[str, Place],
        kernel: Kernel,
        network: Network,
        scheduler: Scheduler,
        clients: Clients,
    ) -> None:
        self._place = place
        self._places = places
        self._kernel = kernel
        self._network = network
        self._deliver = scheduler.deliver
        self._clients = clients

    def send(self, group: int, message: Message) -> None:
        kernel, place, target = self._kernel, self._place, message.to
        leaves_ns = kernel.now_ns + place.disk.elapsed_ns
        for time_ns in self._network.arrivals(place.name, target, leaves_ns):
            kernel.at(time_ns, self._deliver, self._places[target], group, message)

    def complete(self, request: int, reply: Reply) -> None:
        self._clients.answer(self._place, request, reply)


class SimWorld:
    """See the module and `cluster.worlds.world.World`. `observers` see every event as it happens."""

    name = "sim"
    capabilities = frozenset(
        {"kill", "power", "pause", "cut", "link-faults", "clock-rate", "disk-faults",
         "crash-points", "inspect", "disk-dump", "membership", "simulated-time",
         "cut-clients", "file-faults", "realtime"}
    )  # fmt: skip

    def __init__(
        self,
        nodes: Sequence[str],
        *,
        tape: Tape,
        config: NodeConfig,
        parts: Parts,
        options: SimOptions,
        observers: Sequence[Callable[[Event], None]] = (),
    ) -> None:
        self.nodes = tuple(nodes)
        self.members = config.peers
        self.kernel = Kernel()
        self.tape = tape
        self.network = Network(options.link, tape)
        self._config = config
        self._parts = parts
        self._options = options
        drift = tape.stream("clock.drift")
        ppm = options.drift_ppm_max
        self._places = {
            name: Place(
                name,
                number,
                self.make_disk(name),
                NodeClock(drift_ppm=drift.between(-ppm, ppm)),
                WallClock(EPOCH_NS),
            )
            for number, name in enumerate(self.nodes)
        }
        self._recorder = Recorder(self.kernel, self._places, observers)
        self._damagers = {name: Damager(SimTree(place)) for name, place in self._places.items()}
        self._lines = Network(options.client_link, tape)
        self._clients = Clients(self.kernel, self._lines, self._places, self._recorder)
        self._scheduler = Scheduler(self.kernel, self.network, self._recorder, self._clients.lost)
        self._clients.scheduler = self._scheduler

    # -- what a world that looks closer makes differently ---------------------------------------------

    def make_disk(self, node: str) -> SimDisk:
        """Return the empty disk of `node`."""
        return SimDisk(fsync_ns=self._options.fsync_ns, write_ns=self._options.write_ns)

    def make_outbox(self, place: Place) -> Outbox:
        """Return what the next life at `place` speaks through."""
        return _Outbox(
            place,
            places=self._places,
            kernel=self.kernel,
            network=self.network,
            scheduler=self._scheduler,
            clients=self._clients,
        )

    def open_node(self, local_ns: int, place: Place, config: NodeConfig) -> None:
        """Open the node at `place` for its next life."""
        place.node = Node.open(
            config,
            disk=place.disk,
            parts=self._parts,
            outbox=self.make_outbox(place),
            strike=lambda order: self._strike(place, order),
            sink=self._recorder.record,
            orders=place.take_orders(),
            below=self.tape.stream(f"election/{place.name}").below,
            now_ns=local_ns,
            wall_ns=lambda: place.wall.read_ns(self.kernel.now_ns + place.disk.elapsed_ns),
        )

    # -- time ---------------------------------------------------------------------------------------

    def now_ns(self) -> int:
        """See `Timeline`."""
        return self.kernel.now_ns

    async def sleep(self, duration_ns: int) -> None:
        """See `Timeline`."""
        await self.kernel.sleep(duration_ns)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """See `Timeline`."""
        self.kernel.spawn(coroutine)

    def mailbox(self) -> SimMailbox[Any]:
        """See `Timeline`."""
        return SimMailbox(self.kernel)

    # -- life and death of nodes --------------------------------------------------------------------

    async def up(self) -> None:
        """Start every member."""
        for name in self.members:
            await self.start(name)

    async def down(self) -> None:
        """End every node; disks stay readable."""
        for place in self._places.values():
            if place.node is not None:
                self._scheduler.end(place, cause="stop", exit_code=0)

    def running(self, node: str) -> bool:
        """See `World`."""
        return self._places[node].node is not None

    async def start(self, node: str, **changes: Any) -> None:
        """See `World`: open the node on its disk; a halt during replay ends it again with exit code 78."""
        if node in self.members or self._places[node].incarnation:
            await self._start(node, changes)

    async def start_spare(self, node: str) -> None:
        """See `cluster.worlds.world.SpareNodes`."""
        await self._start(node, {})

    async def _start(self, node: str, changes: Mapping[str, Any]) -> None:
        place = self._places[node]
        if place.node is not None:
            return
        place.changes = {**place.changes, **changes}
        await self.kernel.sleep(self._options.restart_delay_ns if place.incarnation else 0)
        if place.node is not None:
            return  # Somebody else ordered it to start meanwhile.
        place.incarnation += 1
        place.exit_code = None
        place.busy_until_ns = 0
        config = msgspec.structs.replace(
            self._config,
            name=node,
            peers=self.members if node in self.members else (),
            reachable=self.nodes,
            incarnation=place.incarnation,
            **place.changes,
        )
        place.changes.pop("force_restore_on_start", None)
        self._scheduler.act(place, self.open_node, place, config)

    async def kill(self, node: str) -> None:
        """See `World`."""
        place = self._places[node]
        if place.node is not None:
            place.disk.kill()
            self._scheduler.end(place, cause="kill", exit_code=-9)

    async def power_loss(self, node: str) -> None:
        """See `World`; a node that is down loses power too."""
        place = self._places[node]
        place.disk.power_loss(self.tape.stream(f"disk.power_loss/{node}").below)
        if place.node is not None:
            self._scheduler.end(place, cause="power", exit_code=-9)

    async def pause(self, node: str) -> None:
        """See `World`."""
        place = self._places[node]
        if place.node is not None and not place.paused:
            place.paused = True
            self._recorder.fault("pause", node)

    async def resume(self, node: str) -> None:
        """See `World`: everything held back happens now, in order."""
        place = self._places[node]
        if place.paused:
            self._recorder.fault("resume", node)
            self._scheduler.resume(place)

    async def wait_exit(self, node: str, timeout_ns: int) -> int | None:
        """See `World`."""
        place = self._places[node]
        if place.node is None:
            return place.exit_code
        exit_future: Future[int | None] = Future(self.kernel)
        place.exits.append(exit_future)
        self.kernel.at(self.kernel.now_ns + timeout_ns, exit_future.resolve, None)
        return await exit_future

    # -- faults on links, clocks, disks, code --------------------------------------------------------

    async def cut(self, links: Sequence[tuple[str, str]]) -> None:
        """See `World`."""
        self.network.cut(links)
        self._recorder.fault("cut", " ".join(f"{source}>{target}" for source, target in links))

    async def heal(self) -> None:
        """See `World`. What was dropped since the last time is told first."""
        for what, network in (("links", self.network), ("clients", self._lines)):
            dropped, network.dropped = network.dropped, 0
            if dropped:
                self._recorder.fault("dropped", what, dropped)
            network.heal()
        self._recorder.fault("heal", "")

    async def arm(self, node: str, order: CrashOrder) -> None:
        """See `World`."""
        check_order(order)
        place = self._places[node]
        incarnation = place.incarnation
        if place.node is not None:
            place.node.arm(order)
        else:
            place.orders.append(order)
            incarnation += 1
        self._recorder.record(
            Armed(
                node=node,
                incarnation=incarnation,
                group=order.group,
                point=order.point,
                action=order.action,
            )
        )

    async def disarm(self, node: str) -> None:
        """See `World`."""
        place = self._places[node]
        place.orders.clear()
        if place.node is not None:
            place.node.disarm()

    async def degrade(self, links: Sequence[tuple[str, str]], fault: LinkFault) -> None:
        """See `cluster.worlds.world.LinkFaults`."""
        common = self._options.link
        model = LinkModel(
            delay_min_ns=common.delay_min_ns + fault.delay_ns,
            delay_max_ns=common.delay_max_ns + 2 * fault.delay_ns + fault.jitter_ns,
            loss=fault.loss,
            duplication=fault.duplication,
        )
        for source, target in links:
            self.network.set_link(source, target, model)
        self._recorder.fault("degrade", " ".join(f"{source}>{target}" for source, target in links))

    async def cut_clients(self, nodes: Sequence[str]) -> None:
        """See `cluster.worlds.world.ClientFaults`."""
        self._lines.cut([link for node in nodes for link in ((CLIENT, node), (node, CLIENT))])
        self._recorder.fault("cut-clients", " ".join(nodes))

    async def clock_rate(self, node: str, drift_ppm: int) -> None:
        """See `cluster.worlds.world.ClockFaults`."""
        place = self._places[node]
        place.clock.set_drift(drift_ppm, self.kernel.now_ns)
        self._scheduler.clock_changed(place)
        self._recorder.fault("clock-rate", node)

    async def set_realtime(self, node: str, offset_ns: int, drift_ppm: int) -> None:
        """See `cluster.worlds.world.RealtimeFaults`."""
        self._places[node].wall.set(offset_ns, drift_ppm, self.kernel.now_ns)
        self._recorder.fault("clock-set" if offset_ns or drift_ppm else "clock-right", node)

    async def damage(self, node: str, damage: FileDamage) -> dict[str, Any]:
        """See `cluster.worlds.world.FileFaults`."""
        hit = must_be_down(self, node, damage)
        if damage.kind == "swap":
            first, second = (self._places[name] for name in hit)
            first.disk, second.disk = second.disk, first.disk
            done: dict[str, Any] = {"kind": "swap", "nodes": hit}
        else:
            done = self._damagers[node].damage(damage)
        if damage.kind != "keep":
            for name in hit:
                self._recorder.fault(f"disk-{damage.kind}", name)
        return done

    async def disk_fault(self, node: str, fault: DiskFault) -> None:
        """See `World`."""
        faults = self._places[node].disk.faults
        if fault.kind == "eio":
            faults.fail_fsync(fault.path)
        elif fault.kind == "full":
            faults.fill_up(fault.path)
        else:
            faults.slow_fsync(fault.path, extra_ns=fault.extra_ns)
        self._recorder.fault(f"disk-{fault.kind}", node)

    async def disk_heal(self, node: str) -> None:
        """See `World`."""
        self._places[node].disk.faults.heal()
        self._recorder.fault("disk-heal", node)

    def _strike(self, place: Place, order: CrashOrder) -> None:
        if order.action == "stall":
            place.disk.elapsed_ns += order.stall_ns
            return
        if order.action == "power":
            place.disk.power_loss(self.tape.stream(f"disk.power_loss/{place.name}").below)
        else:
            place.disk.kill()
        raise Crash(order.point, order.action)

    # -- clients --------------------------------------------------------------------------------------

    def connect(self, node: str) -> SimConnection:
        """See `World`."""
        return SimConnection(self._clients, node)

    async def inspect(self, node: str, group: int = 0) -> dict[str, Any] | None:
        """See `World`; looking costs no simulated time."""
        running = self._places[node].node
        return None if running is None else running.state(group)

    async def disk_dump(self, node: str) -> dict[str, Any]:
        """See `World`."""
        return dump_disk(self._places[node].disk.image())

    # -- the trace --------------------------------------------------------------------------------------

    def trace(self) -> Sequence[Event]:
        """See `World`."""
        return self._recorder.trace

    def fingerprint(self) -> str:
        """See `Recorder.fingerprint`."""
        return self._recorder.fingerprint()
