"""Ports of a local cluster, held for as long as the world lives.

A node that is down leaves its port free, and another program, or the source port of an outgoing connection,
could take it. So the world keeps a socket bound to each port and never listens on it: Linux lets the node
bind and listen beside it (both say SO_REUSEADDR, one listens), refuses everybody else, hands the port to
no outgoing connection, and answers a connection to a node that is down with "refused".
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from cluster.node.process_config import Address

__all__ = ["HOST", "HeldPorts"]

HOST = "127.0.0.1"


class HeldPorts:
    """One port for each name: a free one of the loopback interface, unless said otherwise."""

    def __init__(self, names: Sequence[str], listen: Address = (HOST, 0)) -> None:
        """`listen`: where; port 0 means any free one, another one serves a single name. Raises OSError when it is taken."""
        self._sockets = {name: _bound(listen) for name in names}
        self.addresses: dict[str, Address] = {
            name: (listen[0], held.getsockname()[1]) for name, held in self._sockets.items()
        }

    def release(self) -> None:
        """Let go of the ports; a second call does nothing."""
        for held in self._sockets.values():
            held.close()


def _bound(listen: Address) -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(listen)
    return held
