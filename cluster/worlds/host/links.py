"""Which frames a bridge lets pass: the whole matrix of links as data, its ruleset, and the counters read back.

Pure: words in, words out; `links_table` hands them to the kernel. One table holds everything and is replaced in one
transaction, so that no moment has half a partition. Elements of the sets carry counters: how many packets each cut or lossy
link swallowed is the proof that a fault happened.

* ``cut``: pairs of addresses, from first to second;
* ``shut``: nodes whose talk with anybody who is no node (clients, the harness) is dropped in both directions;
* ``loss_N``: pairs that lose N of 10,000 packets, drawn by the kernel. The draw stands before the lookup: an element counts
  what was dropped, not what was asked.

IPv4 only: a world gives its nodes IPv4 addresses.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

__all__ = ["Drops", "Family", "Matrix", "read_drops", "render", "render_removal"]

Link = tuple[str, str]
Family = Literal["bridge", "ip"]
"""``bridge``: at the bridge that joins the nodes. ``ip``: at one node's own stack, for machines of a network we do not own."""

_LOSS_STEPS = 10_000
_HOOKS: dict[Family, tuple[str, ...]] = {
    "bridge": ("forward", "input", "output"),
    "ip": ("input", "output"),
}


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """What is dropped. `addresses` maps every node to its IPv4 address; `loss` a link to its share of lost packets."""

    addresses: dict[str, str]
    cut: tuple[Link, ...] = ()
    shut: tuple[str, ...] = ()
    loss: dict[Link, float] = {}

    def is_empty(self) -> bool:
        """Whether nothing is dropped, and so nothing counted."""
        return not (self.cut or self.shut or self.loss)


class Drops(msgspec.Struct, frozen=True, kw_only=True):
    """Packets dropped so far: on cut links, on lossy links, and between clients and shut nodes."""

    cut: dict[Link, int] = {}
    loss: dict[Link, int] = {}
    shut: dict[str, int] = {}

    def __add__(self, other: Drops) -> Drops:
        """The sum, link by link."""
        return Drops(
            cut=_sum(self.cut, other.cut),
            loss=_sum(self.loss, other.loss),
            shut=_sum(self.shut, other.shut),
        )

    def total(self) -> int:
        """All packets dropped."""
        return sum([*self.cut.values(), *self.loss.values(), *self.shut.values()])


def render(matrix: Matrix, table: str, family: Family) -> str:
    """Return the script for ``nft -f -`` that replaces `table` by the ruleset of `matrix`, in one transaction."""
    addresses = matrix.addresses
    losses = _by_steps(matrix.loss)
    sets = [
        _pair_set("cut", [(addresses[a], addresses[b]) for a, b in sorted(matrix.cut)]),
        *[
            _pair_set(f"loss_{steps}", [(addresses[a], addresses[b]) for a, b in links])
            for steps, links in losses.items()
        ],
        _set("nodes", "ipv4_addr", sorted(addresses.values()), counted=False),
        _set("shut", "ipv4_addr", [addresses[node] for node in sorted(matrix.shut)]),
    ]
    rules = [
        "ip saddr . ip daddr @cut drop",
        *[
            f"numgen random mod {_LOSS_STEPS} < {steps} ip saddr . ip daddr @loss_{steps} drop"
            for steps in losses
        ],
        "ip daddr != @nodes ip saddr @shut drop",
        "ip saddr != @nodes ip daddr @shut drop",
    ]
    chains = [
        _chain("judge", rules),
        *[
            _chain(
                f"at_{hook}",
                [f"type filter hook {hook} priority -10; policy accept;", "jump judge"],
            )
            for hook in _HOOKS[family]
        ],
    ]
    body = "\n".join([*sets, *chains])
    return f"{render_removal(table, family)}table {family} {table} {{\n{body}\n}}\n"


def render_removal(table: str, family: Family) -> str:
    """Return the script that removes `table`, whether or not it is there."""
    return f"table {family} {table}\ndelete table {family} {table}\n"


def read_drops(listing: str, matrix: Matrix) -> Drops:
    """Return the counters in `listing`, what ``nft -j list table`` said while `matrix` was in force."""
    names = {address: node for node, address in matrix.addresses.items()}
    cut: dict[Link, int] = {}
    loss: dict[Link, int] = {}
    shut: dict[str, int] = {}
    for item in json.loads(listing)["nftables"]:
        found = item.get("set")
        if found is None or found["name"] == "nodes":
            continue
        for packets, value in _elements(found):
            if found["name"] == "shut":
                shut[names[value]] = packets
            else:
                source, target = value["concat"]
                counts = cut if found["name"] == "cut" else loss
                counts[names[source], names[target]] = packets
    return Drops(cut=cut, loss=loss, shut=shut)


def _elements(found: Mapping[str, Any]) -> Iterable[tuple[int, Any]]:
    for entry in found.get("elem", ()):
        element = entry["elem"]
        yield element["counter"]["packets"], element["val"]


def _by_steps(loss: Mapping[Link, float]) -> dict[int, list[Link]]:
    grouped: dict[int, list[Link]] = {}
    for link in sorted(loss):
        steps = round(loss[link] * _LOSS_STEPS)
        if steps:
            grouped.setdefault(steps, []).append(link)
    return dict(sorted(grouped.items()))


def _pair_set(name: str, pairs: list[tuple[str, str]]) -> str:
    return _set(name, "ipv4_addr . ipv4_addr", [f"{source} . {target}" for source, target in pairs])


def _set(name: str, kind: str, elements: list[str], *, counted: bool = True) -> str:
    lines = [f"  set {name} {{", f"    type {kind}"]
    if counted:
        lines.append("    counter")
    if elements:
        lines.append(f"    elements = {{ {', '.join(elements)} }}")
    return "\n".join([*lines, "  }"])


def _chain(name: str, rules: list[str]) -> str:
    return "\n".join([f"  chain {name} {{", *[f"    {rule}" for rule in rules], "  }"])


def _sum(first: Mapping[Any, int], second: Mapping[Any, int]) -> dict[Any, int]:
    keys = dict.fromkeys([*first, *second])
    return {key: first.get(key, 0) + second.get(key, 0) for key in keys}
