"""A three-node PySyncObj with a journal on disk; its load runs inside the leader, as its users write it.

As a script it is one node: it reads one JSON line per round (``{"in_flight", "seconds"}``) and answers with
one (``{"per_s"}``, or ``{"leads": false}``). PySyncObj never calls fsync: its figure is of another promise.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

from cluster.worlds.local.ports import HOST, HeldPorts

__all__ = ["PySyncObj"]

_NODES = ("p1", "p2", "p3")


class PySyncObj:
    """Measures itself: `rate` asks the leader."""

    name = "pysyncobj"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: list[asyncio.subprocess.Process] = []

    @staticmethod
    def missing() -> str:
        """Why there is nothing to compare with; ``""``: there is."""
        return (
            ""
            if importlib.util.find_spec("pysyncobj")
            else "PySyncObj is not installed (pip install pysyncobj)"
        )

    async def up(self) -> None:
        """Start three nodes."""
        ports = HeldPorts(_NODES)
        ports.release()  # PySyncObj binds them itself
        self._directory.mkdir(parents=True)
        addresses = [f"{HOST}:{port}" for _, port in ports.addresses.values()]
        for name, address in zip(_NODES, addresses, strict=True):
            others = [other for other in addresses if other != address]
            process = await asyncio.create_subprocess_exec(
                sys.executable, __file__, str(self._directory / name), address, *others,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            self._processes.append(process)

    async def rate(self, in_flight: int, seconds: float) -> float:
        """Puts per second that the leader got done."""
        for _ in range(200):
            for process in self._processes:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(
                    json.dumps({"in_flight": in_flight, "seconds": seconds}).encode() + b"\n"
                )
                answer = json.loads(await process.stdout.readline())
                if answer["leads"]:
                    return float(answer["per_s"])
            await asyncio.sleep(0.1)
        raise RuntimeError("PySyncObj elected no leader")

    async def down(self) -> None:
        """Stop the nodes."""
        for process in self._processes:
            process.kill()
            await process.wait()


def _node(journal: str, own: str, others: list[str]) -> None:
    from pysyncobj import SyncObj, SyncObjConf  # noqa: PLC0415 - measured only where it is installed
    from pysyncobj.batteries import ReplDict  # noqa: PLC0415 - as above

    table = ReplDict()
    conf = SyncObjConf(
        journalFile=journal,
        fullDumpFile=f"{journal}.dump",
        appendEntriesPeriod=0.001,  # its default, 0.1 s, would be the figure
        autoTickPeriod=0.001,
    )
    node = SyncObj(own, others, conf=conf, consumers=[table])
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, Any] = {"leads": node._isLeader()}  # noqa: SLF001 - its own way to ask
        if answer["leads"]:
            answer["per_s"] = _load(table, order["in_flight"], order["seconds"])
        print(json.dumps(answer), flush=True)


def _load(table: Any, in_flight: int, seconds: float) -> float:
    done = 0
    value = "x" * 100
    end_s = time.monotonic() + seconds

    def put(*_: object) -> None:
        nonlocal done
        done += 1
        if time.monotonic() < end_s:
            table.set(f"k{done % 1000}", value, callback=put)

    for _ in range(in_flight):
        table.set("k", value, callback=put)
    time.sleep(seconds + 0.2)
    return (done - in_flight) / seconds


if __name__ == "__main__":
    _node(sys.argv[1], sys.argv[2], sys.argv[3:])
