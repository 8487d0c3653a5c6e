"""A cluster of real nodes: what every world does in which nodes are processes that are spoken to through lines.

This room acts on nodes: it has them started and signalled, tells their shells which links are cut and which crash
points are armed, and writes down what it did. Where they live is said by a `Site` (`cluster.worlds.real.host`), what a
node does is its own business. A run folder is all that remains::

    DIRECTORY/nodes/<node>/data/          the node's disk
                           config.json    how it was started last
                           node.log       what it said, all incarnations
                           trace.jsonl    its events
                           ledger.jsonl   what its disk wrote down of itself, where that keeps a ledger
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cluster.client import NodeConnection
from cluster.ledger import LedgerPart
from cluster.node.config import NodeConfig
from cluster.node.crash_points import check_order
from cluster.node.process_config import Cuts, ProcessConfig
from cluster.node.requests import CrashOrder, Reply, Request
from cluster.trace import Armed, Event, Fault, HitPoint, Stopped
from cluster.worlds.errors import WorldFailed
from cluster.worlds.real.host import Host, Life, Site
from cluster.worlds.real.node import RealNode, cause_of_death, log_tail
from cluster.worlds.real.timeline import WallTimeline
from cluster.worlds.real.trace_reader import TraceReader
from cluster.worlds.world import Connection

__all__ = ["RealOptions", "RealWorld"]

_SECOND_NS = 1_000_000_000
_ADMIN_TIMEOUT_NS = 1 * _SECOND_NS
"""How long a running node may take to answer the world itself; a stalled one gets the order when it goes on."""
_PAUSED_TIMEOUT_NS = 50_000_000
"""How long an order may take to reach a paused node's socket, where it waits."""
_ASK_AGAIN_S = 0.01
_STOP_TIMEOUT_S = 5.0
_STATUS = Request(kind="status", body={})


class RealOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the surroundings are like."""

    undo_log: bool = True
    """Whether disks remember what is un-synced: power losses and durability claims, at the price of speed."""
    start_timeout_ns: int = 30 * _SECOND_NS
    """How long a node may take until it serves or is gone."""
    parts: tuple[str, ...] = ("cluster.machine.parts", "Parts")
    """Module, callable and arguments that make the parts of a replica (see `ProcessConfig`)."""


class RealWorld(WallTimeline):
    """See the module and `cluster.worlds.world.World`."""

    name: str

    def __init__(
        self,
        nodes: Sequence[str],
        *,
        directory: Path,
        config: NodeConfig,
        options: RealOptions,
        site: Site,
    ) -> None:
        """`directory` is the run's folder, `config` what all nodes share. Raises WorldFailed for a used folder.

        The first configuration is `config.peers`; where that names nobody, all nodes.
        """
        super().__init__()
        self.nodes = tuple(nodes)
        self.members = config.peers or self.nodes
        self.capabilities = self._capabilities(config, options)
        self._config = config
        self._options = options
        self._site = site
        self._directory = directory.absolute()
        if (self._directory / "nodes").exists():
            raise WorldFailed(
                f"{directory} holds the nodes of an earlier run; a run needs a fresh folder"
            )
        self._nodes = {name: RealNode(name, self._directory / "nodes" / name) for name in nodes}
        self._hosts: Mapping[str, Host] = {}
        self._cluster = f"{self._directory.name}-{secrets.token_hex(4)}"
        self._cut: tuple[tuple[str, str], ...] = ()
        self._reader = TraceReader(node.trace for node in self._nodes.values())
        self._trace: list[Event] = []

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """See `WallTimeline.run`. However it ends, no process is left."""
        try:
            super().run(main)
        finally:
            self._site.close()

    # -- life and death of nodes ----------------------------------------------------------------------

    async def up(self) -> None:
        """See `World`. What dead runs left running is ended first."""
        for node in self._nodes.values():
            node.directory.mkdir(parents=True)
        folders = {name: node.directory for name, node in self._nodes.items()}
        self._hosts = await self._site.open(self._cluster, folders)
        for node in self._nodes.values():
            node.line = self._line(node.name)
        await asyncio.gather(*(self.start(name) for name in self.members))
        for name in self.members:
            node = self._nodes[name]
            if node.life is None:
                raise WorldFailed(f"{name} did not come up:\n{log_tail(node.log)}")

    async def down(self) -> None:
        """See `World`: ask every node to stop, then insist."""
        try:
            await asyncio.gather(*(self._stop(node) for node in self._nodes.values()))
        finally:
            self._site.close()
            for node in self._nodes.values():
                if node.line is not None:
                    node.line.close()

    def running(self, node: str) -> bool:
        """See `World`."""
        return self._nodes[node].life is not None

    async def start(self, node: str, **changes: Any) -> None:
        """See `World`. Raises WorldFailed when the node neither serves nor ends in time."""
        if node in self.members or self._nodes[node].incarnation:
            await self._start(node, changes)

    async def start_spare(self, node: str) -> None:
        """See `cluster.worlds.world.SpareNodes`. Raises WorldFailed as `start` does."""
        await self._start(node, {})

    async def _start(self, node: str, changes: Mapping[str, Any]) -> None:
        assert self._hosts, "`up` comes first"
        real = self._nodes[node]
        if real.life is not None or real.launching.locked():
            return
        async with real.launching:
            real.changes = {**real.changes, **changes}
            real.begin_life()
            cut_then, drift_then_ppm = self._cut, real.drift_ppm
            config = self._process_config(real)
            real.changes.pop("force_restore_on_start", None)
            real.orders = []
            life = await self._hosts[node].start(
                config, lambda exit_code, ended_ns: self._ended(real, exit_code, ended_ns)
            )
            real.life = life
        await self._until_served(real, life)
        if self._cut != cut_then and real.life is life:
            await self._tell_cuts(real)
        if real.drift_ppm != drift_then_ppm and real.life is life:
            await self._tell_rate(real)

    async def _until_served(self, real: RealNode, life: Life) -> None:
        assert real.line is not None
        deadline_ns = self.now_ns() + self._options.start_timeout_ns
        while life.exit_code is None:
            reply = await _unless_ended(life, real.line.call(_STATUS, _ADMIN_TIMEOUT_NS))
            real.served = reply is not None and reply.status == "ok"
            if reply is None or real.served:
                return
            if self.now_ns() > deadline_ns:
                raise WorldFailed(
                    f"{real.name} neither serves nor ends: {reply.message}\n{real.last_words()}"
                )
            await life.wait(_ASK_AGAIN_S)

    async def kill(self, node: str) -> None:
        """See `World`."""
        await self._end(self._nodes[node], "kill")

    async def power_loss(self, node: str) -> None:
        """See `World`: here everything un-synced is lost; a node that is down loses power too."""
        await self._end(self._nodes[node], "power")
        if node in self._hosts:
            await self._hosts[node].lose_power()

    async def pause(self, node: str) -> None:
        """See `World`."""
        real = self._nodes[node]
        life = await real.alive()
        if life is not None:
            await life.signal(signal.SIGSTOP)
            real.paused = True
            self._fault("pause", node)

    async def resume(self, node: str) -> None:
        """See `World`."""
        real = self._nodes[node]
        life = await real.alive()
        if life is not None and real.paused:
            await life.signal(signal.SIGCONT)
            real.paused = False
            self._fault("resume", node)

    async def wait_exit(self, node: str, timeout_ns: int) -> int | None:
        """See `World`."""
        real = self._nodes[node]
        life = await real.alive()
        return real.exit_code if life is None else await life.wait(timeout_ns / 1e9)

    async def _end(self, real: RealNode, intent: str) -> None:
        life = await real.alive()
        if life is not None:
            real.intent = intent
            await life.signal(signal.SIGKILL)
            await life.wait()

    async def _stop(self, real: RealNode) -> None:
        life = await real.alive()
        if life is None:
            return
        real.intent = "stop"
        if real.served:
            await life.signal(signal.SIGTERM)
            await life.signal(signal.SIGCONT)
        if not real.served or await life.wait(_STOP_TIMEOUT_S) is None:
            await life.signal(signal.SIGKILL)
            await life.wait()

    def _ended(self, real: RealNode, exit_code: int, ended_ns: int) -> None:
        """A process is gone: say why, as far as it can be known."""
        real.life = None
        real.exit_code = exit_code
        cause, message = cause_of_death(real, exit_code, self._strike(real))
        self._trace.append(
            Stopped(
                at_ns=ended_ns - self.start_ns,
                node=real.name,
                incarnation=real.incarnation,
                cause=cause,
                exit_code=exit_code,
                message=message,
            )
        )

    def _strike(self, real: RealNode) -> str:
        """The action of the crash point that this incarnation met; ``""`` when none is known."""
        for event in reversed(self.trace()):
            if (
                isinstance(event, HitPoint)
                and event.node == real.name
                and event.incarnation == real.incarnation
                and event.action in ("kill", "power")
            ):
                return event.action
        return ""

    def _process_config(self, real: RealNode) -> ProcessConfig:
        host = self._hosts[real.name]
        node = msgspec.structs.replace(
            self._config,
            name=real.name,
            peers=self.members if real.name in self.members else (),
            reachable=self.nodes,
            incarnation=real.incarnation,
            **real.changes,
        )
        return ProcessConfig(
            node=node,
            cluster=self._cluster,
            listen=host.address,
            peers={name: other.address for name, other in self._hosts.items()},
            data=f"{host.home}/data",
            undo_log=self._options.undo_log,
            trace=f"{host.home}/{real.trace.name}" if node.inspection else "",
            run_start_ns=self.start_ns,
            orders=tuple(real.orders),
            cuts=self._cuts_of(real.name),
            drift_ppm=real.drift_ppm,
            parent=host.parent,
            parts=self._options.parts,
        )

    # -- faults on links, clocks and code ---------------------------------------------------------------------

    async def cut(self, links: Sequence[tuple[str, str]]) -> None:
        """See `World`."""
        self._fault("cut", " ".join(f"{source}>{target}" for source, target in links))
        self._cut = tuple(links)
        await self._carry_out_cuts()

    async def heal(self) -> None:
        """See `World`."""
        self._fault("heal", "")
        self._cut = ()
        await self._carry_out_cuts()

    async def arm(self, node: str, order: CrashOrder) -> None:
        """See `World`."""
        check_order(order)
        real = self._nodes[node]
        down = await real.alive() is None
        armed = Armed(
            at_ns=self.now_ns(),
            node=node,
            incarnation=real.incarnation + down,
            group=order.group,
            point=order.point,
            action=order.action,
        )
        if down:
            real.orders.append(order)
        elif not await self._tell(real, "crash.arm", msgspec.to_builtins(order), order.group):
            return
        self._trace.append(armed)

    async def disarm(self, node: str) -> None:
        """See `World`."""
        real = self._nodes[node]
        real.orders = []
        for group in range(self._config.groups):
            await self._tell(real, "crash.disarm", {}, group)

    def _cuts_of(self, node: str) -> Cuts:
        """The cuts that a node must carry out itself."""
        return Cuts(
            to=tuple(target for source, target in self._cut if source == node),
            sender=tuple(source for source, target in self._cut if target == node),
        )

    async def _carry_out_cuts(self) -> None:
        """Let the links in `_cut` be the ones that are cut. Both ends are told: one of them may be paused."""
        await asyncio.gather(*(self._tell_cuts(real) for real in self._nodes.values()))

    async def clock_rate(self, node: str, drift_ppm: int) -> None:
        """See `cluster.worlds.world.ClockFaults`."""
        real = self._nodes[node]
        real.drift_ppm = drift_ppm
        await self._tell_rate(real)
        self._fault("clock-rate", node)

    async def _tell_rate(self, real: RealNode) -> None:
        await self._tell(real, "clock.rate", {"drift_ppm": real.drift_ppm}, 0)

    async def _tell_cuts(self, real: RealNode) -> None:
        await self._tell(real, "link.cut", msgspec.to_builtins(self._cuts_of(real.name)), 0)

    async def _tell(self, real: RealNode, kind: str, body: dict[str, Any], group: int) -> bool:
        """Give a node an order; whether it has it. One that is paused or stalled obeys first thing when it goes on.

        Raises WorldFailed when the node refuses: it was not started for such orders.
        """
        if real.life is None or real.line is None:
            return False
        timeout_ns = _PAUSED_TIMEOUT_NS if real.paused else _ADMIN_TIMEOUT_NS
        reply = await real.line.call(Request(kind, body, group), timeout_ns)
        if reply.status == "refused" and reply.code != "Unavailable":
            raise WorldFailed(f"{real.name} refuses {kind}: {reply.message}")
        return reply.status != "refused"

    # -- looking -----------------------------------------------------------------------------------------

    def connect(self, node: str) -> Connection:
        """See `World`; only after `up`."""
        return self._line(node)

    async def inspect(self, node: str, group: int = 0) -> dict[str, Any] | None:
        """See `World`."""
        real = self._nodes[node]
        if real.life is None or real.paused or real.line is None:
            return None
        reply = await real.line.call(Request("inspect.state", {}, group), _ADMIN_TIMEOUT_NS)
        return reply.value if reply.status == "ok" else None

    async def disk_dump(self, node: str) -> dict[str, Any]:
        """See `World`."""
        return await self._hosts[node].dump()

    def trace(self) -> Sequence[Event]:
        """See `World`."""
        self._trace += self._reader.read()
        self._trace.sort(key=lambda event: event.at_ns)
        return self._trace

    def facts(self) -> dict[str, int]:
        """What the world has to say of itself when it is down, beside the trace: numbers, by name."""
        return {}

    def ledgers(self) -> Mapping[str, Iterable[LedgerPart]]:
        """The ledgers of nodes' disks that keep one, by node; whole once the world is down, and there for good."""
        return {}

    def _line(self, node: str) -> NodeConnection:
        return NodeConnection(node, self._hosts[node].address, self._cluster)

    def _capabilities(self, config: NodeConfig, options: RealOptions) -> frozenset[str]:
        """What this world can do, given how its nodes are started."""
        capabilities = {"kill", "pause", "disk-dump", "membership"}
        if options.undo_log:
            capabilities.add("power")
        if config.crash_points:
            capabilities |= {"clock-rate", "crash-points", "cut"}
        if config.inspection:
            capabilities.add("inspect")
        return frozenset(capabilities)

    def _fault(self, action: str, target: str, amount: int = 0) -> None:
        node = target if target in self._nodes else ""
        fault = Fault(node=node, incarnation=0, action=action, target=target, amount=amount)
        self._record(fault)

    def _record(self, event: Event) -> None:
        msgspec.structs.force_setattr(event, "at_ns", self.now_ns())
        self._trace.append(event)


async def _unless_ended(life: Life, call: Coroutine[Any, Any, Reply]) -> Reply | None:
    """Return what `call` returns, or None as soon as `life` is over: a machine that is gone answers nobody."""
    asking = asyncio.ensure_future(call)
    ending = asyncio.ensure_future(life.wait())
    try:
        await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
        return asking.result() if asking.done() else None
    finally:
        asking.cancel()
        ending.cancel()
