"""How long a fault takes from the call until it holds: five nodes killed, all links cut and healed, one node power-cycled, paused and resumed.

Five ways in the same run, on this machine: the worlds ``docker`` and ``ssh`` (whose hosts are containers that run sshd), and beside
them command lines, as a script would do it to the same hosts, on all five at once: ``docker exec``, ``ssh``, and ``ssh`` over a
connection that stays open (ControlMaster). The command lines signal a ``sleep`` and replace a table of nft; to power-cycle a node
they have no word: ``docker`` does a ``docker kill`` and a ``docker start`` of a node's container, which loses nothing that was
written, until it serves again. A figure is the median of the rounds, in milliseconds. Needs root and Docker.

    python benchmarks/fault_latency.py [--json] [--rounds N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ssh_lab

from cluster.client import NodeConnection
from cluster.node.config import NodeConfig
from cluster.node.requests import Request
from cluster.worlds.docker.daemon import connect
from cluster.worlds.docker.image import node_image
from cluster.worlds.docker.world import DockerOptions, DockerWorld
from cluster.worlds.host.links import Matrix, render, render_removal
from cluster.worlds.ssh.world import SshOptions, SshWorld

NODES = tuple(f"n{number}" for number in range(1, 6))
LINKS = [(source, target) for source in NODES for target in NODES if source != target]
ACTS = ("kill five", "cut all", "heal all", "power-cycle", "pause", "resume")
CONFIG = NodeConfig(name="", peers=NODES, inspection=True, crash_points=True)
TABLE = "reprise_benchmark"
SECOND_NS = 1_000_000_000

Took = dict[str, list[float]]


async def measured(took_ms: Took, name: str, act: Awaitable[Any]) -> None:
    """Await `act` and note how long it took."""
    began_s = time.perf_counter()
    await act
    took_ms.setdefault(name, []).append((time.perf_counter() - began_s) * 1000)


async def power_cycle(world: Any) -> None:
    """A node loses power and comes back; it serves then."""
    await world.power_loss("n1")
    await world.start("n1")


async def in_world(world: Any, took_ms: Took, rounds: int, beside: Took) -> None:
    """Do every act to a world of ours; `beside` takes the command line's way to cycle a container."""
    try:
        await world.up()
        for _ in range(rounds):
            await measured(took_ms, "cut all", world.cut(LINKS))
            await measured(took_ms, "heal all", world.heal())
            await measured(took_ms, "pause", world.pause("n2"))
            await measured(took_ms, "resume", world.resume("n2"))
            await measured(took_ms, "power-cycle", power_cycle(world))
            if isinstance(world, DockerWorld):
                await measured(beside, "power-cycle", by_docker(world, "n1"))
                await world.kill("n1")
            kills = asyncio.gather(*(world.kill(node) for node in NODES))
            await measured(took_ms, "kill five", kills)
            await asyncio.gather(*(world.start(node) for node in NODES))
    finally:
        await world.down()


async def by_docker(world: DockerWorld, node: str) -> None:
    """Kill and start a node's container with the command line, until it serves."""
    host: Any = world._hosts[node]  # noqa: SLF001 - the command line needs the container's name
    await commands([["docker", "kill", host.container.id]])
    await commands([["docker", "start", host.container.id]])
    line = NodeConnection(node, host.address, world._cluster)  # noqa: SLF001 - the world's own line says that it is down
    while (await line.call(Request("status", {}), SECOND_NS)).status != "ok":  # noqa: ASYNC110 - it is no event here
        await asyncio.sleep(0.01)
    line.close()
    await commands([["docker", "kill", host.container.id]])


async def commands(lines: Sequence[Sequence[str]], text: str = "") -> None:
    """Run command lines side by side, to their ends, with `text` as their input."""

    async def one(words: Sequence[str]) -> None:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        _, said = await process.communicate(text.encode())
        if process.returncode:
            raise SystemExit(f"{' '.join(words)}: {said.decode().strip()}")

    await asyncio.gather(*map(one, lines))


async def by_command(
    hosts: Sequence[str], reach: Callable[[int], list[str]], took_ms: Took, rounds: int
) -> None:
    """Do every act with command lines on `hosts` (addresses); `reach` says what stands in front of one for host number N."""
    matrix = Matrix(addresses=dict(zip(NODES, hosts, strict=True)), cut=tuple(LINKS))
    cut, healed = render(matrix, TABLE, "ip"), render_removal(TABLE, "ip")
    everywhere = range(len(hosts))
    for _ in range(rounds):
        await commands(
            [[*reach(n), "setsid -f sleep 1000 >/dev/null 2>&1 </dev/null"] for n in everywhere]
        )
        for name, text in (("cut all", cut), ("heal all", healed)):
            act = commands([[*reach(n), "nft -f -"] for n in everywhere], text)
            await measured(took_ms, name, act)
        for name, signal in (("pause", "STOP"), ("resume", "CONT")):
            act = commands([[*reach(1), f"pkill -{signal} -x sleep"]])
            await measured(took_ms, name, act)
        act = commands([[*reach(n), "pkill -KILL -x sleep"] for n in everywhere])
        await measured(took_ms, "kill five", act)


def ssh_words(lab: ssh_lab.Lab, *, shared: bool) -> Callable[[int], list[str]]:
    """How ssh is called for host number N; `shared`: over one connection that stays open."""
    options = [
        "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", str(lab.key),
        "-o", f"UserKnownHostsFile={lab.known_hosts}", "-o", "LogLevel=ERROR",
    ]  # fmt: skip
    if shared:
        options += ["-o", "ControlMaster=auto", "-o", "ControlPersist=60"]
        options += ["-o", f"ControlPath={lab.folder}/%h"]
    return lambda host: ["ssh", *options, f"root@{lab.addresses[host]}"]


def measure(rounds: int) -> dict[str, Took]:
    """Every figure of every round: way -> act -> milliseconds."""
    took: dict[str, Took] = {way: {} for way in WAYS}
    image = node_image(connect(), "", print)
    lab = ssh_lab.Lab(len(NODES))
    with tempfile.TemporaryDirectory() as folder:
        given: dict[str, Any] = {"config": CONFIG}
        options = DockerOptions(image=image)
        contained = DockerWorld(NODES, directory=Path(folder, "d"), options=options, **given)
        contained.run(in_world(contained, took["docker"], rounds, took["docker exec"]))
        reached = SshOptions(reach=lab.reach())
        world = SshWorld(NODES, directory=Path(folder, "s"), options=reached, **given)
        world.run(in_world(world, took["ssh"], rounds, {}))
    lines: dict[str, Callable[[int], list[str]]] = {
        "docker exec": lambda n: ["docker", "exec", "-i", lab.containers[n].id, "sh", "-c"],
        "ssh command": ssh_words(lab, shared=False),
        "ssh command, shared": ssh_words(lab, shared=True),
    }
    for way, reach in lines.items():
        asyncio.run(by_command(lab.addresses, reach, took[way], rounds))
    return took


WAYS = ("docker", "ssh", "docker exec", "ssh command", "ssh command, shared")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    took = measure(given.rounds)
    medians = {
        way: {act: round(statistics.median(of[act]), 1) for act in ACTS if act in of}
        for way, of in took.items()
    }
    print(f"{'ms':<22}" + "".join(f"{act:>13}" for act in ACTS))
    for way, of in medians.items():
        print(f"{way:<22}" + "".join(f"{of.get(act, '-'):>13}" for act in ACTS))
    if given.json:
        print(json.dumps({"nodes": len(NODES), "rounds": given.rounds, "median_ms": medians}))


if __name__ == "__main__":
    main()
