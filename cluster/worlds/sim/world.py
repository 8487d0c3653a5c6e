"""The simulated world: nodes, network, disks, clocks and clients in one process on one heap.

This room schedules: what a node does comes from `cluster.node`, what happens to a message from `network`,
what a disk keeps from `SimDisk`. A node's disk work is charged to it: it is busy until its virtual time has
passed, and what it says leaves at its own time. A crash point raises `Crash`, which unwinds to here; whatever the
node had sent or answered by then has left, the rest never happens.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from cluster.machine.parts import Parts
from cluster.node.config import NodeConfig
from cluster.node.crash_points import check_order
from cluster.node.dump import dump_disk
from cluster.node.failures import REFUSALS
from cluster.node.node import Node
from cluster.node.replica import NodeHalted
from cluster.node.requests import CrashOrder, Reply, Request, unknown
from cluster.probe import Crash
from cluster.raft.messages import Message
from cluster.storage.sim_disk import SimDisk
from cluster.trace import Applied, Armed, Event, Fault, Stopped
from cluster.worlds.sim.clock import NodeClock
from cluster.worlds.sim.kernel import Future, Kernel, SimMailbox
from cluster.worlds.sim.network import LinkModel, Network
from cluster.worlds.tape import Tape
from cluster.worlds.world import DiskFault, LinkFault

__all__ = ["SimOptions", "SimWorld"]

_MS = 1_000_000
CLIENT = "client"
_stamp = msgspec.structs.force_setattr
NEVER_NS = 1 << 63


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


class _SimNode:
    """One node's place in the world: its disk and clock outlive its incarnations."""

    __slots__ = (
        "busy_until_ns",
        "changes",
        "clock",
        "disk",
        "exit_code",
        "exits",
        "held",
        "incarnation",
        "name",
        "node",
        "orders",
        "paused",
        "place",
        "waiting",
        "wake_at_ns",
        "wake_local_ns",
    )

    def __init__(self, name: str, place: int, disk: SimDisk, clock: NodeClock) -> None:
        self.name = name
        self.place = place
        self.disk = disk
        self.clock = clock
        self.node: Node | None = None
        self.incarnation = 0
        self.changes: dict[str, Any] = {}
        self.orders: list[CrashOrder] = []
        """Orders given while the node was down: they hold from its next start on, recovery included."""
        self.busy_until_ns = 0
        self.wake_at_ns = -1
        """World time of the wake that counts; earlier orders to wake are void."""
        self.wake_local_ns = NEVER_NS
        """The node's own time for which that wake was ordered: a later deadline needs no other one."""
        self.paused = False
        self.held: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.waiting: dict[int, Future[Reply]] = {}
        self.exit_code: int | None = None
        self.exits: list[Future[int | None]] = []


class _Outbox:
    """What one incarnation says; everything leaves at the node's own time."""

    __slots__ = ("_simnode", "_world")

    def __init__(self, world: SimWorld, simnode: _SimNode) -> None:
        self._world = world
        self._simnode = simnode

    def send(self, group: int, message: Message) -> None:
        world, simnode, target = self._world, self._simnode, message.to
        kernel = world.kernel
        leaves_ns = kernel.now_ns + simnode.disk.elapsed_ns
        for time_ns in world.network.arrivals(simnode.name, target, leaves_ns):
            kernel.at(time_ns, world.deliver, world.simnodes[target], group, message)

    def complete(self, request: int, reply: Reply) -> None:
        self._world.answer(self._simnode, request, reply)


class SimWorld:
    """See the module and `cluster.worlds.world.World`. `observers` see every event as it happens."""

    name = "sim"
    capabilities = frozenset(
        {"kill", "power", "pause", "cut", "link-faults", "clock-rate", "disk-faults",
         "crash-points", "inspect", "disk-dump", "simulated-time"}
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
        self.kernel = Kernel()
        self.tape = tape
        self.network = Network(options.link, tape)
        self._clients = Network(options.client_link, tape)
        self._config = config
        self._parts = parts
        self._options = options
        self._observers = observers
        self._trace: list[Event] = []
        self._applied_high: dict[tuple[str, int], int] = {}
        self._requests = 0
        self._mix = 0
        drift = tape.stream("clock.drift")
        ppm = options.drift_ppm_max
        self.simnodes = {
            name: _SimNode(
                name,
                place,
                SimDisk(fsync_ns=options.fsync_ns, write_ns=options.write_ns),
                NodeClock(drift_ppm=drift.between(-ppm, ppm)),
            )
            for place, name in enumerate(self.nodes)
        }

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
        """Start every node."""
        for name in self.nodes:
            await self.start(name)

    async def down(self) -> None:
        """End every node; disks stay readable."""
        for simnode in self.simnodes.values():
            if simnode.node is not None:
                self._end(simnode, cause="stop", exit_code=0)

    def running(self, node: str) -> bool:
        """See `World`."""
        return self.simnodes[node].node is not None

    async def start(self, node: str, **changes: Any) -> None:
        """See `World`: open the node on its disk; a halt during replay ends it again with exit code 78."""
        simnode = self.simnodes[node]
        if simnode.node is not None:
            return
        simnode.changes = {**simnode.changes, **changes}
        await self.kernel.sleep(self._options.restart_delay_ns if simnode.incarnation else 0)
        simnode.incarnation += 1
        simnode.exit_code = None
        simnode.busy_until_ns = 0
        config = msgspec.structs.replace(
            self._config,
            name=node,
            peers=self.nodes,
            incarnation=simnode.incarnation,
            **simnode.changes,
        )
        simnode.changes.pop("force_restore_on_start", None)
        self._act(simnode, self._open, simnode, config)

    def _open(self, local_ns: int, simnode: _SimNode, config: NodeConfig) -> None:
        simnode.node = Node.open(
            config,
            disk=simnode.disk,
            parts=self._parts,
            outbox=_Outbox(self, simnode),
            strike=lambda order: self._strike(simnode, order),
            sink=self._record,
            orders=self._take_orders(simnode),
            below=self.tape.stream(f"election/{simnode.name}").below,
            now_ns=local_ns,
        )

    async def kill(self, node: str) -> None:
        """See `World`."""
        simnode = self.simnodes[node]
        if simnode.node is not None:
            simnode.disk.kill()
            self._end(simnode, cause="kill", exit_code=-9)

    async def power_loss(self, node: str) -> None:
        """See `World`; a node that is down loses power too."""
        simnode = self.simnodes[node]
        simnode.disk.power_loss(self.tape.stream(f"disk.power_loss/{node}").below)
        if simnode.node is not None:
            self._end(simnode, cause="power", exit_code=-9)

    async def pause(self, node: str) -> None:
        """See `World`."""
        self.simnodes[node].paused = True
        self._fault("pause", node)

    async def resume(self, node: str) -> None:
        """See `World`: everything held back happens now, in order."""
        simnode = self.simnodes[node]
        if not simnode.paused:
            return
        simnode.paused = False
        self._fault("resume", node)
        held, simnode.held = simnode.held, []
        for action, arguments in held:
            self.kernel.at(self.kernel.now_ns, action, *arguments)

    async def wait_exit(self, node: str, timeout_ns: int) -> int | None:
        """See `World`."""
        simnode = self.simnodes[node]
        if simnode.node is None:
            return simnode.exit_code
        exit_future: Future[int | None] = Future(self.kernel)
        simnode.exits.append(exit_future)
        self.kernel.at(self.kernel.now_ns + timeout_ns, exit_future.resolve, None)
        return await exit_future

    # -- faults on links, clocks, disks, code --------------------------------------------------------

    async def cut(self, links: Sequence[tuple[str, str]]) -> None:
        """See `World`."""
        self.network.cut(links)
        self._fault("cut", " ".join(f"{source}>{target}" for source, target in links))

    async def heal(self) -> None:
        """See `World`."""
        self.network.heal()
        self._fault("heal", "")

    async def arm(self, node: str, order: CrashOrder) -> None:
        """See `World`."""
        check_order(order)
        simnode = self.simnodes[node]
        incarnation = simnode.incarnation
        if simnode.node is not None:
            simnode.node.arm(order)
        else:
            simnode.orders.append(order)
            incarnation += 1
        self._record(
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
        simnode = self.simnodes[node]
        simnode.orders.clear()
        if simnode.node is not None:
            simnode.node.disarm()

    async def degrade(self, links: Sequence[tuple[str, str]], fault: LinkFault) -> None:
        """See `cluster.worlds.world.LinkFaults`."""
        common = self._options.link
        model = LinkModel(
            delay_min_ns=common.delay_min_ns + fault.delay_ns,
            delay_max_ns=common.delay_max_ns + 2 * fault.delay_ns,
            loss=fault.loss,
            duplication=fault.duplication,
        )
        for source, target in links:
            self.network.set_link(source, target, model)
        self._fault("degrade", " ".join(f"{source}>{target}" for source, target in links))

    async def clock_rate(self, node: str, drift_ppm: int) -> None:
        """See `cluster.worlds.world.ClockFaults`."""
        self.simnodes[node].clock.set_drift(drift_ppm, self.kernel.now_ns)
        self._fault("clock-rate", node)

    async def disk_fault(self, node: str, fault: DiskFault) -> None:
        """See `World`."""
        faults = self.simnodes[node].disk.faults
        if fault.kind == "eio":
            faults.fail_fsync(fault.path)
        elif fault.kind == "full":
            faults.fill_up(fault.path)
        else:
            faults.slow_fsync(fault.path, extra_ns=fault.extra_ns)
        self._fault(f"disk-{fault.kind}", node)

    async def disk_heal(self, node: str) -> None:
        """See `World`."""
        self.simnodes[node].disk.faults.heal()
        self._fault("disk-heal", node)

    @staticmethod
    def _take_orders(simnode: _SimNode) -> list[CrashOrder]:
        orders, simnode.orders = simnode.orders, []
        return orders

    def _strike(self, simnode: _SimNode, order: CrashOrder) -> None:
        if order.action == "stall":
            simnode.disk.elapsed_ns += order.stall_ns
            return
        if order.action == "power":
            simnode.disk.power_loss(self.tape.stream(f"disk.power_loss/{simnode.name}").below)
        else:
            simnode.disk.kill()
        raise Crash(order.point, order.action)

    # -- clients --------------------------------------------------------------------------------------

    def connect(self, node: str) -> SimConnection:
        """See `World`."""
        return SimConnection(self, node)

    async def inspect(self, node: str, group: int = 0) -> dict[str, Any] | None:
        """See `World`; looking costs no simulated time."""
        running = self.simnodes[node].node
        return None if running is None else running.state(group)

    async def disk_dump(self, node: str) -> dict[str, Any]:
        """See `World`."""
        return dump_disk(self.simnodes[node].disk.image())

    def ask(self, node: str, request: Request, future: Future[Reply]) -> int:
        """Send `request` on its way to `node`; `future` gets the reply if one comes. Returns the request's number."""
        self._requests += 1
        number = self._requests
        simnode = self.simnodes[node]
        for time_ns in self._clients.arrivals(CLIENT, node, self.kernel.now_ns):
            self.kernel.at(time_ns, self._deliver_request, simnode, number, request, future)
        return number

    def _deliver_request(
        self, simnode: _SimNode, number: int, request: Request, future: Future[Reply]
    ) -> None:
        if simnode.node is None:
            reply = Reply(status="refused", code="Unavailable", message=f"{simnode.name} is down")
            self._send_reply(simnode, self.kernel.now_ns, future, reply)
            return
        if self._held(simnode, self._deliver_request, simnode, number, request, future):
            return
        simnode.waiting[number] = future
        self._mix = hash((self._mix, self.kernel.now_ns, simnode.place, number))
        self._act(simnode, self._do_request, simnode.node, number, request)

    @staticmethod
    def _do_request(local_ns: int, node: Node, number: int, request: Request) -> None:
        node.request(number, request, local_ns)
        node.work(local_ns)

    def answer(self, simnode: _SimNode, number: int, reply: Reply) -> None:
        """A node completed a request."""
        future = simnode.waiting.pop(number, None)
        if future is not None:
            self._send_reply(simnode, self.kernel.now_ns + simnode.disk.elapsed_ns, future, reply)

    def _send_reply(
        self, simnode: _SimNode, leaves_ns: int, future: Future[Reply], reply: Reply
    ) -> None:
        for time_ns in self._clients.arrivals(simnode.name, CLIENT, leaves_ns):
            self.kernel.at(time_ns, future.resolve, reply)

    # -- nodes at work --------------------------------------------------------------------------------

    def deliver(self, simnode: _SimNode, group: int, message: Message) -> None:
        """A message arrived."""
        cuts = self.network.cuts
        if simnode.node is None or (cuts and (message.sender, simnode.name) in cuts):
            return
        now_ns = self.kernel.now_ns
        if (simnode.paused or simnode.busy_until_ns > now_ns) and self._held(
            simnode, self.deliver, simnode, group, message
        ):
            return
        self._mix = hash((self._mix, now_ns, simnode.place, message.term))
        replica = simnode.node.replicas.get(group)
        if replica is not None:
            # No other group has anything to do because of it.
            self._act(simnode, replica.take, message)

    def _held(self, simnode: _SimNode, action: Callable[..., None], *arguments: Any) -> bool:
        """Put an event off while the node is paused or busy."""
        if simnode.paused:
            simnode.held.append((action, arguments))
            return True
        if simnode.busy_until_ns > self.kernel.now_ns:
            self.kernel.at(simnode.busy_until_ns, action, *arguments)
            return True
        return False

    def _act(self, simnode: _SimNode, action: Callable[..., None], *arguments: Any) -> None:
        """Let the node do something now; charge it for its disk; see to its end if it met one."""
        now_ns = self.kernel.now_ns
        local_ns = simnode.clock.local_ns(now_ns)
        disk = simnode.disk
        disk.elapsed_ns = 0
        try:
            action(local_ns, *arguments)
        except Crash as crash:
            self._end(simnode, cause=crash.kind, exit_code=-9)
        except NodeHalted as halt:
            disk.kill()
            self._end(simnode, cause="halt", exit_code=halt.exit_code, message=halt.line)
        except REFUSALS as refusal:
            disk.kill()
            self._end(
                simnode, cause="error", exit_code=1, message=f"{type(refusal).__name__}: {refusal}"
            )
        simnode.busy_until_ns = now_ns + disk.elapsed_ns
        disk.elapsed_ns = 0
        if simnode.node is not None:
            deadline_ns = simnode.node.deadline_ns(local_ns)
            if deadline_ns < simnode.wake_local_ns:
                self._schedule_wake(simnode, deadline_ns)

    def _schedule_wake(self, simnode: _SimNode, deadline_ns: int) -> None:
        """Wake the node at its own time `deadline_ns`, which is earlier than any wake ordered so far."""
        now_ns = self.kernel.now_ns
        wake_at_ns = max(simnode.clock.world_ns(deadline_ns), simnode.busy_until_ns, now_ns)
        simnode.wake_local_ns = deadline_ns
        if simnode.wake_at_ns < 0 or wake_at_ns < simnode.wake_at_ns:
            simnode.wake_at_ns = wake_at_ns
            self.kernel.at(wake_at_ns, self._wake, simnode, simnode.incarnation, wake_at_ns)

    def _wake(self, simnode: _SimNode, incarnation: int, wake_at_ns: int) -> None:
        node = simnode.node
        if node is None or incarnation != simnode.incarnation or wake_at_ns != simnode.wake_at_ns:
            return
        if self._held(simnode, self._wake, simnode, incarnation, wake_at_ns):
            return
        simnode.wake_at_ns = -1
        simnode.wake_local_ns = NEVER_NS
        local_ns = simnode.clock.local_ns(self.kernel.now_ns)
        deadline_ns = node.deadline_ns(local_ns)
        if deadline_ns > local_ns:
            self._schedule_wake(simnode, deadline_ns)
            return
        self._act(simnode, self._do_wake, node)

    @staticmethod
    def _do_wake(local_ns: int, node: Node) -> None:
        node.wake(local_ns)

    def _end(self, simnode: _SimNode, *, cause: str, exit_code: int, message: str = "") -> None:
        """The process is gone: what it held is dropped, its open requests end unknown."""
        node, simnode.node = simnode.node, None
        if node is not None:
            node.abandon()
        simnode.wake_at_ns = -1
        simnode.wake_local_ns = NEVER_NS
        simnode.paused = False
        simnode.held.clear()
        waiting, simnode.waiting = simnode.waiting, {}
        lost = unknown("Unavailable", f"{simnode.name} died before it answered")
        for future in waiting.values():
            self._send_reply(simnode, self.kernel.now_ns + simnode.disk.elapsed_ns, future, lost)
        self._record(
            Stopped(
                node=simnode.name,
                incarnation=simnode.incarnation,
                cause=cause,
                exit_code=exit_code,
                message=message,
            )
        )
        simnode.exit_code = exit_code
        exits, simnode.exits = simnode.exits, []
        for future_exit in exits:
            future_exit.resolve(exit_code)

    # -- the trace --------------------------------------------------------------------------------------

    def trace(self) -> Sequence[Event]:
        """See `World`."""
        return self._trace

    def fingerprint(self) -> str:
        """A hash over every event of the trace and every delivery: equal runs have equal fingerprints."""
        digest = blake2b(self._mix.to_bytes(8, "big", signed=True), digest_size=16)
        encoder = msgspec.msgpack.Encoder()
        digest.update(encoder.encode(self._trace))
        return digest.hexdigest()

    def _fault(self, action: str, target: str) -> None:
        self._record(
            Fault(
                node=target if target in self.simnodes else "",
                incarnation=0,
                action=action,
                target=target,
            )
        )

    def _record(self, event: Event) -> None:
        """Stamp an event and keep it. The place is here because only the world knows time and earlier lives."""
        now_ns = self.kernel.now_ns
        simnode = self.simnodes.get(event.node)
        if simnode is not None:
            now_ns += simnode.disk.elapsed_ns
        _stamp(event, "at_ns", now_ns)
        if type(event) is Applied:
            key = (event.node, event.group)
            high = self._applied_high.get(key, 0)
            if event.index <= high:
                _stamp(event, "replay", True)
            elif event.decision != "halt":
                self._applied_high[key] = event.index
        self._trace.append(event)
        for observe in self._observers:
            observe(event)


class SimConnection:
    """A client's line in simulation; see `cluster.worlds.world.Connection`."""

    __slots__ = ("_world", "node")

    def __init__(self, world: SimWorld, node: str) -> None:
        self._world = world
        self.node = node

    async def call(self, request: Request, timeout_ns: int) -> Reply:
        """See `Connection`."""
        kernel = self._world.kernel
        future: Future[Reply] = Future(kernel)
        self._world.ask(self.node, request, future)
        late = unknown(
            "DeadlineExceeded", f"no answer from {self.node} within {timeout_ns / 1e9:g} s"
        )
        kernel.at(kernel.now_ns + timeout_ns, future.resolve, late)
        return await future

    def close(self) -> None:
        """Nothing to let go of."""
