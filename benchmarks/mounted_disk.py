"""What a disk that can lose its power costs: appends with fsync, and registrations of one node, on each kind of disk.

Appends of 4 KiB, each fsynced, by one process: on the temporary directory's own disk, and through the mount. Registrations
with rising epochs, one after the other, at a cluster of one node: on plain files, with the undo log, on a mounted disk.
The kinds take turns; each figure is the median of the rounds. The mount does not pass an fsync down.

    python benchmarks/mounted_disk.py [--json] [--rounds N] [--seconds S]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from cluster.encryption.identity import full_node_id
from cluster.node.config import NodeConfig
from cluster.node.requests import Request
from cluster.worlds.host.power_disk.power_disk import PowerDisk
from cluster.worlds.local.world import LocalOptions, LocalWorld

SECOND_NS = 1_000_000_000
ATTEMPTS = 500
"""How often a node that is not leader yet is asked."""
BLOCK = bytes(4096)
DISKS = {
    "plain": LocalOptions(undo_log=False),
    "undo log": LocalOptions(undo_log=True),
    "mounted": LocalOptions(power_disk=True),
}


def appends(folder: Path, seconds: float) -> float:
    """Appends per second, each fsynced."""
    descriptor = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC)
    begun = time.perf_counter()
    count = 0
    while time.perf_counter() - begun < seconds:
        os.write(descriptor, BLOCK)
        os.fsync(descriptor)
        count += 1
    elapsed = time.perf_counter() - begun
    os.close(descriptor)
    return count / elapsed


def registrations(folder: Path, options: LocalOptions, seconds: float) -> float:
    """Registrations per second at one node."""
    config = NodeConfig(
        name="",
        peers=("n1",),
        election_timeout_ns=SECOND_NS // 20,
        heartbeat_interval_ns=SECOND_NS // 100,
        inspection=True,
    )
    world = LocalWorld(("n1",), directory=folder, config=config, options=options)
    rates = []

    async def register(epoch: int) -> str:
        """Why it failed, or nothing."""
        body = {"dek_id": 1, "full_node_id": full_node_id("w"), "local_epoch": epoch}
        reply = await line.call(Request("inspect.register", body), 10 * SECOND_NS)
        return "" if reply.status == "ok" else f"{reply.status} {reply.code} {reply.message}"

    async def go() -> None:
        nonlocal line
        try:
            await world.up()
            line = world.connect("n1")
            epoch = 1
            while await register(epoch) and epoch < ATTEMPTS:
                epoch += (
                    1  # one that may have been applied must not come again: it would be a rollback
                )
                await world.sleep(SECOND_NS // 100)
            first, begun = epoch, time.perf_counter()
            while time.perf_counter() - begun < seconds:
                epoch += 1
                failure = await register(epoch)
                if failure:
                    raise RuntimeError(f"a registration failed, so there is no figure: {failure}")
            rates.append((epoch - first) / (time.perf_counter() - begun))
        finally:
            await world.down()

    line: Any = None
    world.run(go())
    return rates[0]


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """The figures."""
    appended: dict[str, list[float]] = {"direct": [], "mounted": []}
    registered: dict[str, list[float]] = {name: [] for name in DISKS}
    with tempfile.TemporaryDirectory(prefix="reprise-mounted-disk-") as name:
        folder = Path(name)
        with PowerDisk(folder / "source", folder / "mount") as disk:
            for number in range(rounds):
                appended["direct"].append(appends(folder, seconds))
                appended["mounted"].append(appends(disk.mount, seconds))
                for kind, options in DISKS.items():
                    run = folder / f"{kind}-{number}"
                    registered[kind].append(registrations(run, options, seconds))
    return {
        "rounds": rounds,
        "appends_per_s": {kind: round(statistics.median(r)) for kind, r in appended.items()},
        "registrations_per_s": {
            kind: round(statistics.median(r)) for kind, r in registered.items()
        },
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The price of a disk that can lose its power.")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    options = parser.parse_args()
    result = measure(options.rounds, options.seconds)
    for what in ("appends_per_s", "registrations_per_s"):
        for kind, rate in result[what].items():
            print(f"{what.removesuffix('_per_s'):14}{kind:10}{rate:>8,}/s")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
