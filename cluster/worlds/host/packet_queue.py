"""Late, lost, doubled and reordered packets between nodes: the daemon, and the rules that lead packets to it.

Rules stand in a chain of our own in iptables' mangle table, one for each bad link, replaced in one transaction; everything
else never leaves the kernel. They stand where packets are handed on (``FORWARD``: nodes joined by a bridge of this host) or
where they are sent (``OUTPUT``: a node of this host itself). A bridge hands its frames to iptables only with br_netfilter on
(dockerd sees to that), so this is asked for first. netem, where a kernel has it, needs none of this: see `links_rates`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from zlib import crc32

import msgspec

import cluster
from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.packet_queue_daemon import DOUBLE_MARK, Counts, Order
from cluster.worlds.host.programs import Here, elevation, inside
from cluster.worlds.host.repairs import Change, ChangeLog
from cluster.worlds.world import LinkFault

__all__ = ["PacketQueue", "render_rules"]

_BRIDGE_SWITCH = "/proc/sys/net/bridge/bridge-nf-call-iptables"
_END_S = 5.0

AddressLink = tuple[str, str]
Hook = Literal["FORWARD", "OUTPUT"]


class PacketQueue:
    """One daemon and one chain, in a network namespace of this host (``""``: our own) where the nodes' bridge, or the node, lies."""

    def __init__(
        self, label: str, namespace: str, changes: ChangeLog, *, seed: int, hook: Hook = "FORWARD"
    ) -> None:
        """`label` (at most 20 letters and digits) names the chain; `seed` decides every packet's fate."""
        self._hook = hook
        self._chain = f"REPRISE-{label}"
        self._here = Here(namespace)
        self._changes = changes
        self._change = Change("iptables-chain", self._chain, namespace)
        self._seed = seed
        self._number = 1024 + crc32(f"{os.getpid()}/{label}".encode()) % 60_000
        """Of the queue: one of its namespace's 65,536; the daemon says so when somebody else has it."""
        self._daemon: subprocess.Popen[bytes] | None = None
        self._counts = Counts()

    def apply(self, faults: Mapping[AddressLink, LinkFault]) -> None:
        """Let packets between these IPv4 addresses fare as said from now on, all others pass. Raises WorldFailed."""
        if self._daemon is None:
            if not faults:
                return
            self._start()
        order = Order([(source, target, fault) for (source, target), fault in faults.items()])
        self._counts = self._tell(order)
        self._last = order
        self._here(
            ["iptables-restore", "--noflush"], render_rules(self._chain, self._number, faults)
        )

    def counts(self) -> Counts:
        """Return what the daemon did so far. Raises WorldFailed when it is gone."""
        if self._daemon is not None:
            self._counts = self._tell(self._last)
        return self._counts

    def close(self) -> None:
        """End the daemon, which lets go of what it holds, and remove the rules; a second call does nothing.

        Raises WorldFailed when the daemon has ended before: what was asked of it did not happen.
        """
        self._changes.undo(self._change)
        if self._daemon is None:
            return
        try:
            self.counts()
        finally:
            daemon, self._daemon = self._daemon, None
            _end(daemon)

    def _start(self) -> None:
        if self._hook == "FORWARD" and self._here(["cat", _BRIDGE_SWITCH]).strip() != "1":
            raise WorldFailed(
                f"{_BRIDGE_SWITCH} is 0: packets on bridges pass iptables by; write 1 to it, or start dockerd, which does"
            )
        modules = [str(Path(cluster.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
        words = [
            *elevation(),
            "env",
            f"PYTHONPATH={os.pathsep.join(filter(None, modules))}",
            sys.executable,
            "-m",
            "cluster.worlds.host.packet_queue_daemon",
            str(self._number),
            str(self._seed),
        ]
        self._daemon = subprocess.Popen(
            inside(self._here.namespace, words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        self._last = Order([])
        self._tell(self._last)
        self._changes.open(self._change)
        self._here(["iptables-restore", "--noflush"], render_rules(self._chain, self._number, {}))
        self._here(["iptables", "-w", "-t", "mangle", "-I", self._hook, "-j", self._chain])

    def _tell(self, order: Order) -> Counts:
        daemon = self._daemon
        assert daemon is not None
        assert daemon.stdin is not None
        assert daemon.stdout is not None
        try:
            daemon.stdin.write(msgspec.json.encode(order) + b"\n")
            daemon.stdin.flush()
            answer = daemon.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            raise WorldFailed(
                f"the packet queue's daemon ended with {daemon.wait(_END_S)}; it says why on standard error"
            )
        return msgspec.json.decode(answer, type=Counts)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    try:
        daemon.communicate(timeout=_END_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.communicate()


def render_rules(chain: str, queue: int, faults: Mapping[AddressLink, LinkFault]) -> str:
    """Return the text for ``iptables-restore --noflush`` that fills `chain` with exactly these links."""
    rules = [
        f"-A {chain} -s {source}/32 -d {target}/32 -m mark ! --mark {DOUBLE_MARK:#x}"
        f" -j NFQUEUE --queue-num {queue} --queue-bypass"
        for source, target in faults
    ]
    return "\n".join(["*mangle", f":{chain} - [0:0]", *rules, "COMMIT", ""])
