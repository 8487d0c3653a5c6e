"""Nodes at work: when a node acts, what that costs it, when it is woken, and how it ends.

A node that is busy with its disk or paused finds out later. A crash point raises `Crash`, which unwinds to
`act`; what the node had said by then has left, the rest never happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cluster.node.failures import REFUSALS
from cluster.node.node import Node
from cluster.node.replica import NodeHalted
from cluster.probe import Crash
from cluster.raft.messages import Message
from cluster.trace import Stopped
from cluster.worlds.sim.kernel import Kernel
from cluster.worlds.sim.network import Network
from cluster.worlds.sim.place import Place
from cluster.worlds.sim.recorder import Recorder

__all__ = ["Scheduler"]


class Scheduler:
    """Lets the nodes act. `lost` is told of a place whose node has just ended, to answer its open requests."""

    def __init__(
        self, kernel: Kernel, network: Network, recorder: Recorder, lost: Callable[[Place], None]
    ) -> None:
        self._kernel = kernel
        self._network = network
        self._recorder = recorder
        self._lost = lost

    def deliver(self, place: Place, group: int, message: Message) -> None:
        """A message arrived."""
        cuts = self._network.cuts
        if place.node is None:
            return
        if cuts and (message.sender, place.name) in cuts:
            self._network.dropped += 1
            return
        if (place.paused or place.busy_until_ns > self._kernel.now_ns) and self.held(
            place, self.deliver, place, group, message
        ):
            return
        self._recorder.delivered(place, message.term)
        replica = place.node.replicas.get(group)
        if replica is not None:
            # No other group has anything to do because of it.
            self.act(place, replica.take, message)

    def held(self, place: Place, action: Callable[..., None], *arguments: Any) -> bool:
        """Put an event off while the node is paused or busy."""
        if place.paused:
            place.held.append((action, arguments))
            return True
        if place.busy_until_ns > self._kernel.now_ns:
            self._kernel.at(place.busy_until_ns, action, *arguments)
            return True
        return False

    def act(self, place: Place, action: Callable[..., None], *arguments: Any) -> None:
        """Let the node do something now; charge it for its disk; see to its end if it met one."""
        now_ns = self._kernel.now_ns
        local_ns = place.clock.local_ns(now_ns)
        disk = place.disk
        disk.elapsed_ns = 0
        try:
            action(local_ns, *arguments)
        except Crash as crash:
            self.end(place, cause=crash.kind, exit_code=-9)
        except NodeHalted as halt:
            disk.kill()
            self.end(place, cause="halt", exit_code=halt.exit_code, message=halt.line)
        except REFUSALS as refusal:
            disk.kill()
            why = f"{type(refusal).__name__}: {refusal}"
            self.end(place, cause="error", exit_code=1, message=why)
        place.busy_until_ns = now_ns + disk.elapsed_ns
        disk.elapsed_ns = 0
        if place.node is not None:
            deadline_ns = place.node.deadline_ns(local_ns)
            if deadline_ns < place.wake_local_ns:
                self._schedule_wake(place, deadline_ns)

    def end(self, place: Place, *, cause: str, exit_code: int, message: str = "") -> None:
        """The process is gone: what it held is dropped, and whoever waits for its end is told."""
        node, place.node = place.node, None
        if node is not None:
            node.abandon()
        place.forget_wakes()
        place.paused = False
        place.held.clear()
        self._lost(place)
        self._recorder.record(
            Stopped(
                node=place.name,
                incarnation=place.incarnation,
                cause=cause,
                exit_code=exit_code,
                message=message,
            )
        )
        place.exit_code = exit_code
        exits, place.exits = place.exits, []
        for future in exits:
            future.resolve(exit_code)

    def resume(self, place: Place) -> None:
        """A paused node finds out, in order, what happened meanwhile."""
        place.paused = False
        held, place.held = place.held, []
        for action, arguments in held:
            self._kernel.at(self._kernel.now_ns, action, *arguments)

    def clock_changed(self, place: Place) -> None:
        """The node's clock runs differently from now on: order its wake anew."""
        if place.node is not None:
            place.forget_wakes()
            local_ns = place.clock.local_ns(self._kernel.now_ns)
            self._schedule_wake(place, place.node.deadline_ns(local_ns))

    def _schedule_wake(self, place: Place, deadline_ns: int) -> None:
        """Wake the node at its own time `deadline_ns`, which is earlier than any wake ordered so far."""
        now_ns = self._kernel.now_ns
        wake_at_ns = max(place.clock.world_ns(deadline_ns), place.busy_until_ns, now_ns)
        place.wake_local_ns = deadline_ns
        if place.wake_at_ns < 0 or wake_at_ns < place.wake_at_ns:
            place.wake_at_ns = wake_at_ns
            self._kernel.at(wake_at_ns, self._wake, place, place.incarnation, wake_at_ns)

    def _wake(self, place: Place, incarnation: int, wake_at_ns: int) -> None:
        node = place.node
        if node is None or incarnation != place.incarnation or wake_at_ns != place.wake_at_ns:
            return
        if self.held(place, self._wake, place, incarnation, wake_at_ns):
            return
        place.forget_wakes()
        local_ns = place.clock.local_ns(self._kernel.now_ns)
        deadline_ns = node.deadline_ns(local_ns)
        if deadline_ns > local_ns:
            self._schedule_wake(place, deadline_ns)
            return
        self.act(place, _do_wake, node)


def _do_wake(local_ns: int, node: Node) -> None:
    node.wake(local_ns)
