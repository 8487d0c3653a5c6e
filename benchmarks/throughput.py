"""Puts per second of a three-node cluster on this machine, every one fsynced on a majority, beside others.

Load: one client process, one line to the leader, 100-byte values, 1 and 32 requests in flight. All systems are up
at the same time and take turns, so that they meet the same machine; the figure is the median of the rounds.
Trace, crash points and the undo log are off. etcd and PySyncObj are measured where they are installed.

    python benchmarks/throughput.py [--json] [--rounds N] [--seconds S]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rival_etcd import Etcd
from rival_pysyncobj import PySyncObj

from cluster.client import NodeConnection
from cluster.node.config import NodeConfig
from cluster.node.requests import Request
from cluster.worlds.local.world import LocalOptions, LocalWorld

IN_FLIGHT = (1, 32)
VALUE = "x" * 100
KEYS = 1000
SECOND_NS = 1_000_000_000


class Reprise:
    """Our own three nodes."""

    name = "reprise"

    def __init__(self, world: LocalWorld) -> None:
        self._world = world
        self._line: NodeConnection | None = None
        self._sequence = 0

    @staticmethod
    def missing() -> str:
        """Never."""
        return ""

    async def up(self) -> None:
        """Start, and connect to the leader."""
        await self._world.up()
        while self._line is None:
            for node in self._world.nodes:
                line = self._world.connect(node)
                reply = await line.call(Request("status", {}), SECOND_NS)
                if reply.status == "ok" and reply.value["role"] == "leader":
                    self._line = line
                    break
                line.close()
            await asyncio.sleep(0.05)

    async def put(self, number: int, key: str, value: bytes) -> None:
        """Put once; returns when it is applied."""
        assert self._line is not None
        self._sequence += 1
        body = {
            "client": f"c{number}",
            "sequence": self._sequence,
            "op": "put",
            "key": key,
            "value": VALUE,
        }
        reply = await self._line.call(Request("kv", body), 10 * SECOND_NS)
        if reply.status != "ok":
            raise RuntimeError(f"a put ended {reply}")

    async def down(self) -> None:
        """Stop."""
        if self._line is not None:
            self._line.close()
        await self._world.down()


async def rate_of(
    put: Callable[[int, str, bytes], Awaitable[None]], in_flight: int, seconds: float
) -> float:
    """Puts per second with `in_flight` of them open all the time."""
    done = 0
    value = VALUE.encode()
    began_s = time.perf_counter()
    end_s = began_s + seconds

    async def one_after_the_other(worker: int) -> None:
        nonlocal done
        while time.perf_counter() < end_s:
            await put(worker, f"k{done % KEYS}", value)
            done += 1

    await asyncio.gather(*(one_after_the_other(worker) for worker in range(in_flight)))
    return done / (time.perf_counter() - began_s)


async def measure(systems: list[Any], rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Median rates by system and number in flight."""
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for in_flight in IN_FLIGHT:
            for system in systems:
                if hasattr(system, "rate"):
                    rate = await system.rate(in_flight, seconds)
                else:
                    rate = await rate_of(system.put, in_flight, seconds)
                rates.setdefault((system.name, in_flight), []).append(rate)
    return {
        system.name: {
            str(in_flight): round(statistics.median(rates[system.name, in_flight]), 1)
            for in_flight in IN_FLIGHT
        }
        for system in systems
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Puts per second, three nodes, every one fsynced.")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    parser.add_argument(
        "--only", action="append", help="measure this system only (may be repeated)"
    )
    options = parser.parse_args()
    result: dict[str, Any] = {"value_bytes": len(VALUE), "rounds": options.rounds, "missing": {}}
    with tempfile.TemporaryDirectory(prefix="reprise-throughput-") as directory:
        world = LocalWorld(
            ("n1", "n2", "n3"),
            directory=Path(directory) / "reprise",
            config=NodeConfig(name="", peers=()),
            options=LocalOptions(undo_log=False),
        )
        everybody = [
            Reprise(world),
            Etcd(Path(directory) / "etcd"),
            PySyncObj(Path(directory) / "pysyncobj"),
        ]
        present = [s for s in everybody if not options.only or s.name in options.only]
        systems = [system for system in present if not system.missing()]
        result["missing"] = {
            system.name: system.missing() for system in present if system.missing()
        }

        async def go() -> None:
            try:
                for system in systems:
                    await system.up()
                result["puts_per_s"] = await measure(systems, options.rounds, options.seconds)
            finally:
                for system in systems:
                    await system.down()

        world.run(go())
    report(result, as_json=options.json)


def report(result: dict[str, Any], *, as_json: bool) -> None:
    """Print the figures, for people or as the last line."""
    rates = result["puts_per_s"]
    if "etcd" in rates and "reprise" in rates:
        result["share_of_etcd"] = {
            count: round(rates["reprise"][count] / rates["etcd"][count], 2)
            for count in rates["etcd"]
        }
    for name, by_count in rates.items():
        figures = ", ".join(
            f"{rate:,.0f}/s with {count} in flight" for count, rate in by_count.items()
        )
        print(f"{name:10} {figures}")
    for name, why in result["missing"].items():
        print(f"{name:10} not measured: {why}")
    if as_json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
