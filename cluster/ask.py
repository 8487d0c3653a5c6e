"""One question to a running cluster, from a shell: ``python -m cluster.ask put colour blue``.

For people who play with a cluster (docker-compose.yml); tests have better clients. A node that does not lead names the
leader, and the question goes there: a refusal is definite, so asking again is still one operation. An answer that nobody
knows (``unknown``) is told as such and never asked again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Mapping, Sequence

from cluster.client import NodeConnection
from cluster.node.by_hand import CLUSTER, PORT, addresses
from cluster.node.process_config import Address
from cluster.node.requests import Reply, Request

__all__ = ["ask", "main"]

ROUNDS_MAX = 20
PAUSE_S = 0.1
TIMEOUT_NS = 3_000_000_000
EXIT_STATUS = {"ok": 0, "refused": 1, "unknown": 2}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the reply as JSON; returns 0 (it took effect), 1 (it certainly did not), 2 (nobody knows)."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.ask", description="Ask a running cluster one thing."
    )
    parser.add_argument(
        "--nodes",
        metavar="NAME=HOST:PORT,...",
        type=addresses,
        default=",".join(f"n{number}=n{number}:{PORT}" for number in range(1, 6)),
        help="where the nodes listen (default: n1 to n5, by name)",
    )
    parser.add_argument("what", choices=("put", "get", "delete", "status"))
    parser.add_argument("key", nargs="?", default="")
    parser.add_argument("value", nargs="?", default="")
    given = parser.parse_args(arguments)
    reply = asyncio.run(ask(given.nodes, _request(given.what, given.key, given.value)))
    sys.stdout.write(f"{json.dumps(_told(reply))}\n")
    return EXIT_STATUS[reply.status]


async def ask(nodes: Mapping[str, Address], request: Request) -> Reply:
    """Return what the leader replies, or the last definite refusal when none is found in two seconds."""
    lines = {name: NodeConnection(name, address, CLUSTER, "ask") for name, address in nodes.items()}
    names = list(nodes)
    asked = names[0]
    try:
        for _ in range(ROUNDS_MAX):
            reply = await lines[asked].call(request, TIMEOUT_NS)
            if reply.status != "refused" or reply.code not in ("NotLeader", "Unavailable"):
                break
            asked = reply.leader or names[(names.index(asked) + 1) % len(names)]
            await asyncio.sleep(PAUSE_S)
    finally:
        for line in lines.values():
            line.close()
    return reply


def _request(what: str, key: str, value: str) -> Request:
    if what == "status":
        return Request("status", {})
    if what == "get":
        return Request("get", {"key": key})
    session = {"client": f"ask-{secrets.token_hex(4)}", "sequence": 1}
    return Request(
        "kv", {**session, "op": what, "key": key, "value": value if what == "put" else None}
    )


def _told(reply: Reply) -> dict[str, object]:
    """The reply without what it leaves empty."""
    words = {"code": reply.code, "message": reply.message, "leader": reply.leader}
    told = {name: word for name, word in words.items() if word}
    return {"status": reply.status, "value": reply.value, **told}


if __name__ == "__main__":
    sys.exit(main())
