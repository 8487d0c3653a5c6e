"""The local world: a cluster of real processes on loopback, with real files, without root.

This room acts on nodes: it starts and signals processes, tells their shells which links are cut and which crash
points are armed, and writes down what it did. What a node does is its own business. Nothing outlives the
world: processes die with the harness, ports and lists are given back, and a run folder is all that remains::

    DIRECTORY/nodes/<node>/data/          the node's disk
                           config.json    how it was started last
                           node.log       what it said, all incarnations
                           trace.jsonl    its events
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cluster.client import NodeConnection
from cluster.node.config import NodeConfig
from cluster.node.crash_points import check_order
from cluster.node.dump import dump_disk
from cluster.node.process_config import Cuts, ProcessConfig
from cluster.node.requests import CrashOrder, Request
from cluster.storage.real_disk import RealDisk
from cluster.trace import Armed, Event, Fault, HitPoint, Stopped
from cluster.worlds.errors import WorldFailed
from cluster.worlds.local.leftovers import ProcessList, end_leftovers, lists_directory
from cluster.worlds.local.ports import HeldPorts
from cluster.worlds.local.process import LocalNode, NodeProcess, cause_of_death, log_tail
from cluster.worlds.local.timeline import WallTimeline
from cluster.worlds.local.trace_reader import TraceReader

__all__ = ["LocalOptions", "LocalWorld"]

_SECOND_NS = 1_000_000_000
_ADMIN_TIMEOUT_NS = 1 * _SECOND_NS
"""How long a running node may take to answer the world itself; a stalled one gets the order when it goes on."""
_PAUSED_TIMEOUT_NS = 50_000_000
"""How long an order may take to reach a paused node's socket, where it waits."""
_ASK_AGAIN_S = 0.01
_STOP_TIMEOUT_S = 5.0
_STATUS = Request(kind="status", body={})


class LocalOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the surroundings are like."""

    undo_log: bool = True
    """Whether disks remember what is un-synced: power losses and durability claims, at the price of speed."""
    start_timeout_ns: int = 30 * _SECOND_NS
    """How long a node may take until it serves or is gone."""
    parts: tuple[str, ...] = ("cluster.machine.parts", "Parts")
    """Module, callable and arguments that make the parts of a replica (see `ProcessConfig`)."""


class LocalWorld(WallTimeline):
    """See the module and `cluster.worlds.world.World`."""

    name = "local"

    def __init__(
        self, nodes: Sequence[str], *, directory: Path, config: NodeConfig, options: LocalOptions
    ) -> None:
        """`directory` is the run's folder, `config` what all nodes share. Raises WorldFailed for a used folder."""
        super().__init__()
        self.nodes = tuple(nodes)
        self.capabilities = _capabilities(config, options)
        self._config = config
        self._options = options
        self._directory = directory.absolute()
        if (self._directory / "nodes").exists():
            raise WorldFailed(
                f"{directory} holds the nodes of an earlier run; a run needs a fresh folder"
            )
        self._localnodes = {
            name: LocalNode(name, self._directory / "nodes" / name) for name in self.nodes
        }
        self._cluster = f"{self._directory.name}-{secrets.token_hex(4)}"
        self._cut: tuple[tuple[str, str], ...] = ()
        self._ports: HeldPorts | None = None
        self._list: ProcessList | None = None
        self._reader = TraceReader(
            node.directory / "trace.jsonl" for node in self._localnodes.values()
        )
        self._trace: list[Event] = []

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """See `WallTimeline.run`. However it ends, no process is left."""
        try:
            super().run(main)
        finally:
            self._destroy()

    # -- life and death of nodes ----------------------------------------------------------------------

    async def up(self) -> None:
        """See `World`. What dead runs left running is ended first."""
        lists = lists_directory()
        end_leftovers(lists)
        self._ports = HeldPorts(self.nodes)
        self._list = ProcessList(lists, self._cluster)
        for node in self._localnodes.values():
            node.data.mkdir(parents=True)
            node.line = self._line(node.name)
        await asyncio.gather(*(self.start(name) for name in self.nodes))
        for node in self._localnodes.values():
            if node.process is None:
                raise WorldFailed(f"{node.name} did not come up:\n{log_tail(node.log)}")

    async def down(self) -> None:
        """See `World`: ask every node to stop, then insist."""
        try:
            await asyncio.gather(*(self._stop(node) for node in self._localnodes.values()))
        finally:
            self._destroy()
            for node in self._localnodes.values():
                if node.line is not None:
                    node.line.close()

    def running(self, node: str) -> bool:
        """See `World`."""
        return self._localnodes[node].process is not None

    async def start(self, node: str, **changes: Any) -> None:
        """See `World`. Raises WorldFailed when the node neither serves nor ends in time."""
        assert self._list is not None, "`up` comes first"
        local = self._localnodes[node]
        if local.process is not None:
            return
        local.changes = {**local.changes, **changes}
        local.incarnation += 1
        local.exit_code = None
        cut_then = self._cut
        config = local.directory / "config.json"
        config.write_bytes(msgspec.json.format(msgspec.json.encode(self._process_config(local))))
        local.changes.pop("force_restore_on_start", None)
        local.orders = []
        process = NodeProcess(config, local.log, lambda exit_code: self._ended(local, exit_code))
        local.process = process
        self._list.add(process.pid, str(config))
        await self._until_served(local, process)
        if self._cut != cut_then and local.process is process:
            await self._tell_cuts(local)

    async def _until_served(self, local: LocalNode, process: NodeProcess) -> None:
        assert local.line is not None
        deadline_ns = self.now_ns() + self._options.start_timeout_ns
        while process.exit_code is None:
            reply = await local.line.call(_STATUS, _ADMIN_TIMEOUT_NS)
            if reply.status == "ok":
                return
            if self.now_ns() > deadline_ns:
                tail = log_tail(local.log, process.log_start)
                raise WorldFailed(f"{local.name} neither serves nor ends: {reply.message}\n{tail}")
            await process.wait(_ASK_AGAIN_S)

    async def kill(self, node: str) -> None:
        """See `World`."""
        await self._end(self._localnodes[node], "kill")

    async def power_loss(self, node: str) -> None:
        """See `World`: here everything un-synced is lost; a node that is down loses power too."""
        local = self._localnodes[node]
        await self._end(local, "power")
        if local.data.exists():
            RealDisk.recover_power_loss(local.data, None)

    async def pause(self, node: str) -> None:
        """See `World`."""
        process = self._localnodes[node].process
        if process is not None:
            process.signal(signal.SIGSTOP)
            process.paused = True
            self._fault("pause", node)

    async def resume(self, node: str) -> None:
        """See `World`."""
        process = self._localnodes[node].process
        if process is not None and process.paused:
            process.signal(signal.SIGCONT)
            process.paused = False
            self._fault("resume", node)

    async def wait_exit(self, node: str, timeout_ns: int) -> int | None:
        """See `World`."""
        local = self._localnodes[node]
        if local.process is None:
            return local.exit_code
        return await local.process.wait(timeout_ns / 1e9)

    async def _end(self, local: LocalNode, intent: str) -> None:
        process = local.process
        if process is not None:
            process.intent = intent
            process.signal(signal.SIGKILL)
            await process.wait()

    async def _stop(self, local: LocalNode) -> None:
        process = local.process
        if process is None:
            return
        process.intent = "stop"
        process.signal(signal.SIGTERM)
        process.signal(signal.SIGCONT)
        if await process.wait(_STOP_TIMEOUT_S) is None:
            process.signal(signal.SIGKILL)
            await process.wait()

    def _ended(self, local: LocalNode, exit_code: int) -> None:
        """A process is gone: say why, as far as it can be known."""
        process = local.process
        assert process is not None
        assert self._list is not None
        local.process = None
        local.exit_code = exit_code
        self._list.remove(process.pid)
        cause, message = cause_of_death(process, local.log, self._strike(local))
        self._record(
            Stopped(
                node=local.name,
                incarnation=local.incarnation,
                cause=cause,
                exit_code=exit_code,
                message=message,
            )
        )

    def _strike(self, local: LocalNode) -> str:
        """The action of the crash point that this incarnation met; ``""`` when none is known."""
        for event in reversed(self.trace()):
            if (
                isinstance(event, HitPoint)
                and event.node == local.name
                and event.incarnation == local.incarnation
                and event.action in ("kill", "power")
            ):
                return event.action
        return ""

    def _destroy(self) -> None:
        """End every process without waiting for anything; give list and ports back. Safe in any state."""
        for local in self._localnodes.values():
            if local.process is not None:
                local.process.destroy()
        if self._list is not None:
            self._list.close()
        if self._ports is not None:
            self._ports.release()

    def _process_config(self, local: LocalNode) -> ProcessConfig:
        assert self._ports is not None
        options = self._options
        node = msgspec.structs.replace(
            self._config,
            name=local.name,
            peers=self.nodes,
            incarnation=local.incarnation,
            **local.changes,
        )
        return ProcessConfig(
            node=node,
            cluster=self._cluster,
            listen=self._ports.addresses[local.name],
            peers=self._ports.addresses,
            data=str(local.data),
            undo_log=options.undo_log,
            trace=str(local.directory / "trace.jsonl") if node.inspection else "",
            run_start_ns=self.start_ns,
            orders=tuple(local.orders),
            cuts=self._cuts_of(local.name),
            parent=os.getpid(),
            parts=options.parts,
        )

    # -- faults on links and code ---------------------------------------------------------------------

    async def cut(self, links: Sequence[tuple[str, str]]) -> None:
        """See `World`. Both ends of a link are told: one of them may be paused."""
        self._fault("cut", " ".join(f"{source}>{target}" for source, target in links))
        self._cut = tuple(links)
        await self._tell_all_cuts()

    async def heal(self) -> None:
        """See `World`."""
        self._fault("heal", "")
        self._cut = ()
        await self._tell_all_cuts()

    async def arm(self, node: str, order: CrashOrder) -> None:
        """See `World`."""
        check_order(order)
        local = self._localnodes[node]
        armed = Armed(
            at_ns=self.now_ns(),
            node=node,
            incarnation=local.incarnation,
            group=order.group,
            point=order.point,
            action=order.action,
        )
        if local.process is None:
            local.orders.append(order)
            armed = msgspec.structs.replace(armed, incarnation=local.incarnation + 1)
        elif not await self._tell(local, "crash.arm", msgspec.to_builtins(order), order.group):
            return
        self._trace.append(armed)

    async def disarm(self, node: str) -> None:
        """See `World`."""
        local = self._localnodes[node]
        local.orders = []
        for group in range(self._config.groups):
            await self._tell(local, "crash.disarm", {}, group)

    def _cuts_of(self, node: str) -> Cuts:
        return Cuts(
            to=tuple(target for source, target in self._cut if source == node),
            sender=tuple(source for source, target in self._cut if target == node),
        )

    async def _tell_all_cuts(self) -> None:
        await asyncio.gather(*(self._tell_cuts(local) for local in self._localnodes.values()))

    async def _tell_cuts(self, local: LocalNode) -> None:
        await self._tell(local, "link.cut", msgspec.to_builtins(self._cuts_of(local.name)), 0)

    async def _tell(self, local: LocalNode, kind: str, body: dict[str, Any], group: int) -> bool:
        """Give a node an order; whether it has it. One that is paused or stalled obeys first thing when it goes on.

        Raises WorldFailed when the node refuses: it was not started for such orders.
        """
        process = local.process
        if process is None or local.line is None:
            return False
        timeout_ns = _PAUSED_TIMEOUT_NS if process.paused else _ADMIN_TIMEOUT_NS
        reply = await local.line.call(Request(kind, body, group), timeout_ns)
        if reply.status == "refused" and reply.code != "Unavailable":
            raise WorldFailed(f"{local.name} refuses {kind}: {reply.message}")
        return reply.status != "refused"

    # -- looking -----------------------------------------------------------------------------------------

    def connect(self, node: str) -> NodeConnection:
        """See `World`; only after `up`."""
        return self._line(node)

    async def inspect(self, node: str, group: int = 0) -> dict[str, Any] | None:
        """See `World`."""
        local = self._localnodes[node]
        if local.process is None or local.process.paused or local.line is None:
            return None
        reply = await local.line.call(Request("inspect.state", {}, group), _ADMIN_TIMEOUT_NS)
        return reply.value if reply.status == "ok" else None

    async def disk_dump(self, node: str) -> dict[str, Any]:
        """See `World`."""
        return dump_disk(RealDisk(self._localnodes[node].data))

    def trace(self) -> Sequence[Event]:
        """See `World`."""
        self._trace += self._reader.read()
        self._trace.sort(key=lambda event: event.at_ns)
        return self._trace

    def _line(self, node: str) -> NodeConnection:
        assert self._ports is not None, "`up` comes first"
        return NodeConnection(node, self._ports.addresses[node], self._cluster)

    def _fault(self, action: str, target: str) -> None:
        node = target if target in self._localnodes else ""
        self._record(Fault(node=node, incarnation=0, action=action, target=target))

    def _record(self, event: Event) -> None:
        msgspec.structs.force_setattr(event, "at_ns", self.now_ns())
        self._trace.append(event)


def _capabilities(config: NodeConfig, options: LocalOptions) -> frozenset[str]:
    """What this world can do, given how its nodes are started."""
    capabilities = {"kill", "pause", "disk-dump"}
    if options.undo_log:
        capabilities.add("power")
    if config.crash_points:
        capabilities |= {"crash-points", "cut"}
    if config.inspection:
        capabilities.add("inspect")
    return frozenset(capabilities)
