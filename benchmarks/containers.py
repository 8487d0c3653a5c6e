"""How long the world docker takes: five nodes up and down, a kill, a start, a pause, a cut of every link.

The node image is built before the clock runs. Up means that every node serves; a start too. The figure is the median of the
rounds, in milliseconds. Needs root and Docker.

    python benchmarks/containers.py [--json] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

from cluster.node.config import NodeConfig
from cluster.worlds.docker.daemon import connect
from cluster.worlds.docker.image import node_image
from cluster.worlds.docker.world import DockerOptions, DockerWorld

NODES = tuple(f"n{number}" for number in range(1, 6))
ACTS = ("up", "kill", "start", "pause", "resume", "cut", "heal", "down")


async def measured(took_ms: dict[str, list[float]], name: str, act: Awaitable[None]) -> None:
    """Await `act` and note how long it took."""
    began_s = time.perf_counter()
    await act
    took_ms[name].append((time.perf_counter() - began_s) * 1000)


async def one_round(world: DockerWorld, took_ms: dict[str, list[float]]) -> None:
    """Bring a world up, do each act to it once, and take it down."""
    links = [(source, target) for source in NODES for target in NODES if source != target]
    try:
        await measured(took_ms, "up", world.up())
        await measured(took_ms, "kill", world.kill("n1"))
        await measured(took_ms, "start", world.start("n1"))
        await measured(took_ms, "pause", world.pause("n2"))
        await measured(took_ms, "resume", world.resume("n2"))
        await measured(took_ms, "cut", world.cut(links))
        await measured(took_ms, "heal", world.heal())
    finally:
        await measured(took_ms, "down", world.down())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    image = node_image(connect(), "", print)
    took_ms: dict[str, list[float]] = {name: [] for name in ACTS}
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as directory:
            world = DockerWorld(
                NODES,
                directory=Path(directory) / "run",
                config=NodeConfig(name="", peers=NODES, inspection=True, crash_points=True),
                options=DockerOptions(image=image),
            )
            world.run(one_round(world, took_ms))
    medians = {f"{name}_ms": round(statistics.median(took_ms[name]), 1) for name in ACTS}
    for name, median_ms in medians.items():
        print(f"{name:<10}{median_ms:>10.1f}")
    if given.json:
        print(json.dumps({"nodes": len(NODES), "rounds": given.rounds, **medians}))


if __name__ == "__main__":
    main()
