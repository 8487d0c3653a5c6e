"""The words of links on a node's own host: who is shut out, and which way leads to a peer. Words in, words out.

See `cluster.worlds.host.links` for links between nodes, and `cluster.worlds.ssh.own_links` for who says them.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["device_of", "render_shut"]


def render_shut(table: str, nodes: Sequence[str], port: int) -> str:
    """Return the script for ``nft -f -`` that drops what goes between `port` here and anybody but the addresses `nodes`.

    `table` is family and name; SSH, and all else on this host, goes on.
    """
    others = ", ".join(sorted(nodes))
    chains = "\n".join(
        f"  chain at_{hook} {{\n"
        f"    type filter hook {hook} priority -9; policy accept;\n"
        f"    tcp {end} {port} ip {far} != {{ {others} }} drop\n"
        "  }"
        for hook, end, far in (("input", "dport", "saddr"), ("output", "sport", "daddr"))
    )
    return f"table {table}\ndelete table {table}\ntable {table} {{\n{chains}\n}}\n"


def device_of(route: str) -> str:
    """Return the device in `route`, what ``ip -o route get ADDRESS`` says."""
    words = route.split()
    return words[words.index("dev") + 1]
