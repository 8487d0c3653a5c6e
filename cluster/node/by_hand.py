"""A node started by a person: ``python -m cluster.node.by_hand --name n1 --nodes n1=HOST:PORT,... --directory DIR``.

Worlds write a node's configuration themselves; here it is made of a few words, with the defaults of production, and
written to ``DIR/config.json``. Then this process becomes the node (`cluster.node.main`).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cluster.node.config import NodeConfig
from cluster.node.process_config import Address, ProcessConfig, read_process_config

__all__ = ["CLUSTER", "PORT", "addresses", "main"]

CLUSTER = "by-hand"
PORT = 7000


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the configuration and become the node."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.node.by_hand", description="Start one node of a cluster."
    )
    parser.add_argument("--name", required=True, help="which of the nodes this is")
    parser.add_argument(
        "--nodes",
        required=True,
        metavar="NAME=HOST:PORT,...",
        type=addresses,
        help="all nodes, this one included, the same list for each of them",
    )
    parser.add_argument("--directory", required=True, type=Path, help="where it keeps its files")
    given = parser.parse_args(arguments)
    if given.name not in given.nodes:
        parser.error(f"--nodes does not say where {given.name} listens")
    file = given.directory / "config.json"
    file.write_bytes(msgspec.json.encode(_config(given.name, given.nodes, file)))
    os.execv(  # noqa: S606 - the interpreter that runs this, and no shell
        sys.executable, [sys.executable, "-m", "cluster.node.main", "--config", str(file)]
    )


def addresses(text: str) -> dict[str, Address]:
    """Return what ``n1=host:7000,n2=host:7001`` says. Raises ValueError, which argparse tells."""
    found: dict[str, Address] = {}
    for item in text.split(","):
        name, _, place = item.partition("=")
        host, _, port = place.rpartition(":")
        if not (name and host):
            raise ValueError(item)
        found[name] = (host, int(port))
    return found


def _config(name: str, nodes: dict[str, Address], file: Path) -> ProcessConfig:
    """The configuration of the next start of the directory of `file`: starts are counted there."""
    starts = read_process_config(str(file)).node.incarnation if file.exists() else 0
    return ProcessConfig(
        node=NodeConfig(name=name, peers=tuple(nodes), incarnation=starts + 1),
        cluster=CLUSTER,
        listen=("0.0.0.0", nodes[name][1]),  # noqa: S104 - whoever can reach this machine may ask
        peers=nodes,
        data=str(file.parent / "data"),
    )


if __name__ == "__main__":
    main()
