"""The rules that part a node from its clients and leave its host's SSH alone. Words out; see `cluster.worlds.host.links`."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["render_shut"]


def render_shut(table: str, nodes: Sequence[str], port: int) -> str:
    """Return the script for ``nft -f -`` that drops what goes between `port` here and anybody but the addresses `nodes`."""
    others = ", ".join(sorted(nodes))
    chains = "\n".join(
        f"  chain at_{hook} {{\n"
        f"    type filter hook {hook} priority -9; policy accept;\n"
        f"    tcp {end} {port} ip {far} != {{ {others} }} drop\n"
        "  }"
        for hook, end, far in (("input", "dport", "saddr"), ("output", "sport", "daddr"))
    )
    return f"table ip {table}\ndelete table ip {table}\ntable ip {table} {{\n{chains}\n}}\n"
