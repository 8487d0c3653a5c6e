"""Queues at a node's own device: bandwidth for each peer, and delay and loss where the kernel has netem.

The tree is a root ``htb`` of ours, and below it one class for each bad link, chosen by the peer's address; what goes
elsewhere is not shaped. Not every kernel has netem (`has_netem` asks); without it delay is the business of `packet_queue` and
only bandwidth stands here. The text is pure; two functions run it.

Syntax and meaning: tc(8), tc-htb(8), tc-netem(8). netem's ``delay T J`` is uniform in T ± J, ours in [delay, delay + jitter].
"""

from __future__ import annotations

from collections.abc import Mapping

from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.programs import Runner
from cluster.worlds.host.repairs import ROOT_QDISC
from cluster.worlds.world import LinkFault

__all__ = ["has_netem", "render_tree", "shape"]

_FULL_SPEED_BPS = 32_000_000_000
_BURST_BYTES = 16_384
_QUEUE_PACKETS = 1000


def has_netem(run: Runner) -> bool:
    """Whether this kernel can delay packets by itself; tried in a network namespace that is gone afterwards."""
    try:
        run(
            ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
        )
    except WorldFailed:
        return False
    return True


def shape(
    run: Runner, device: str, faults: Mapping[str, LinkFault], *, netem: bool, active: bool
) -> None:
    """Let what leaves `device` for these addresses fare as said; `active` says whether a tree of ours stands there."""
    if active:
        run(["tc", "qdisc", "del", "dev", device, "root"])
    run(["tc", "-batch", "-"], render_tree(device, faults, netem=netem))


def render_tree(device: str, faults: Mapping[str, LinkFault], *, netem: bool) -> str:
    """Return the lines for ``tc -batch`` that shape what leaves `device` for each of the addresses in `faults`."""
    lines = [f"qdisc add dev {device} root handle {ROOT_QDISC} htb"]
    for number, (address, fault) in enumerate(faults.items(), 0x10):
        child = f"{ROOT_QDISC}{number:x}"
        rate = fault.bandwidth_bps or _FULL_SPEED_BPS
        lines += [
            f"class add dev {device} parent {ROOT_QDISC} classid {child} htb rate {rate}bit burst {_BURST_BYTES}",
            f"filter add dev {device} parent {ROOT_QDISC} protocol ip prio 1 u32 match ip dst {address}/32 flowid {child}",
        ]
        if netem and (words := _netem(fault)):
            lines.append(f"qdisc add dev {device} parent {child} handle {number:x}: netem {words}")
        else:
            lines.append(
                f"qdisc add dev {device} parent {child} handle {number:x}: pfifo limit {_QUEUE_PACKETS}"
            )
    return "\n".join([*lines, ""])


def _netem(fault: LinkFault) -> str:
    half_ns = fault.jitter_ns // 2
    words = []
    if fault.delay_ns or fault.jitter_ns:
        words.append(f"delay {(fault.delay_ns + half_ns) / 1000:g}us {half_ns / 1000:g}us")
    words += [
        f"{name} {share * 100:g}%"
        for name, share in (
            ("loss", fault.loss),
            ("duplicate", fault.duplication),
            ("reorder", fault.reordering),
        )
        if share
    ]
    return " ".join(words)
