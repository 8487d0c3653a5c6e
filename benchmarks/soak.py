"""Long proofs on real nodes: many runs, many power losses, every crash point, every row of the fault model, every seeded bug.

    python benchmarks/soak.py runs --runs 50 --seconds 30     faults from every surviving row; all valid, nothing left
    python benchmarks/soak.py power-losses --count 200        one cluster loses power so often; nothing acknowledged is lost
    python benchmarks/soak.py points                          power loss at every crash point of the durable writes
    python benchmarks/soak.py fault-model                     the files of examples/fault-model, each with its right verdict
    python benchmarks/soak.py bugs                            the bugs of the registry are convicted

All take ``--world`` (docker unless said otherwise), ``--first-seed`` and ``--json``. Each part ends with the figures, what is left on
this machine that was not there before, and exit code 0 only when everything was as it must be. Runs that were not as they
must be keep their folder below ``--store``; the others are removed.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from cluster.node.crash_points import CATALOGUE, FAILURE_POINTS
from cluster.worlds.local.leftovers import lists_directory
from cluster.worlds.tape import Stream
from harness.campaign.execute import execute
from harness.campaign.needs import check_needs
from harness.campaign.outcome import keep
from harness.campaign.places import prepare
from harness.cli.options import known
from harness.scenario import At, FaultEntry, Scenario, load_scenario
from harness.store import Store

FAULT_MODEL = Path(__file__).parents[1] / "examples" / "fault-model"

NEMESES = (
    "clients", "clock", "crash-replay", "disk", "kill", "membership", "packet", "partition", "pause", "power", "realtime",
    "snapshot",
)  # fmt: skip
"""The random faults; `disk` also fails fsyncs, which its node must not survive and its cluster must."""
WORKLOADS = ("registry", "register", "append", "set", "bank")
TOGETHER = 4
"""Nemeses of one run."""
LOCAL_LACKS = ("clients", "packet")

NODES = ("n1", "n2", "n3")
POINTS = tuple(
    point
    for point in CATALOGUE
    if point.split(".")[0] in ("wal", "eng", "reg", "snap", "inst")
    and point not in FAILURE_POINTS
    and point != "eng.halt"
)
POINTS_A_RUN = 5
STORIES = 2
"""For each point: on a slow machine the first may wait in vain."""
POINT_S = 4.0
"""Time for one story of a crash point."""

BUGS = ("B-S1", "B-S1b", "B-S1c", "B-S7", "B-S10", "original")
SETTLE_S = 20.0
"""How long what a run made may take to be gone."""
MEMORY_MIB = 96
"""How much this process may grow between the first run and the last."""


def runs(options: argparse.Namespace) -> Iterator[tuple[Scenario, str]]:
    """`--runs` scenarios of `--seconds` each: workload and faults are drawn from the seed."""
    possible = [one for one in NEMESES if options.world == "docker" or one not in LOCAL_LACKS]
    for number in range(options.runs):
        seed = options.first_seed + number
        draw = Stream("soak", seed)
        first = possible[number % len(possible)]
        others = [one for one in possible if one != first]
        chosen = [first, *(others.pop(draw.below(len(others))) for _ in range(TOGETHER - 1))]
        workload = WORKLOADS[number % len(WORKLOADS)]
        yield (
            Scenario(
                workload=workload,
                name="soak",
                world=options.world,
                nodes=3 + 2 * draw.below(2),
                concurrency=5,
                rate=20.0,
                time_limit_s=options.seconds,
                seed=seed,
                nemesis=sorted(chosen),
                options={"disk": "mounted", "interval_s": 3.0},
            ),
            "true",
        )


def power_losses(options: argparse.Namespace) -> Iterator[tuple[Scenario, str]]:
    """One run in which nodes lose their power one after the other, all of them every tenth time."""
    faults = [
        FaultEntry(
            f="power-loss",
            targets=["all"] if number % 10 == 9 else [NODES[number % len(NODES)]],
            value={"duration_ns": 50_000_000},
            when=At(time_s=2.0 + number * options.gap),
        )
        for number in range(options.count)
    ]
    yield (
        Scenario(
            workload="registry",
            name="soak-power",
            world=options.world,
            nodes=len(NODES),
            rate=30.0,
            time_limit_s=4.0 + options.count * options.gap,
            seed=options.first_seed,
            options={"disk": "mounted", "poison": "none"},
            stimuli={"power_losses": options.count},
            faults=faults,
        ),
        "true",
    )


def points(options: argparse.Namespace) -> Iterator[tuple[Scenario, str]]:
    """Power losses at every crash point of the durable writes D1 to D9, a few points a run; some replays are struck again."""
    for number in range(0, len(POINTS), POINTS_A_RUN):
        chosen = POINTS[number : number + POINTS_A_RUN]
        faults = [
            FaultEntry(
                f="crash-point",
                value={
                    "point": point,
                    "action": "power",
                    "nth": 1,
                    "opcode": -1,
                    "target": "follower",
                    "again": point.startswith(("reg.", "eng.")),
                    "order": list(NODES),
                },
                when=At(time_s=3.0 + place * POINT_S),
            )
            for place, point in enumerate(chosen * STORIES)
        ]
        yield (
            Scenario(
                workload="registry",
                name="soak-points",
                world=options.world,
                nodes=len(NODES),
                rate=30.0,
                time_limit_s=4.0 + len(faults) * POINT_S,
                seed=options.first_seed + number,
                options={
                    "disk": "mounted",
                    "poison": "none",
                    "loss_percent": 0,
                    "snapshot_threshold": 8,
                    "log_entries_kept": 0,
                    "put_percent": 15,
                },
                stimuli={f"crash_points_hit/{point}": 1 for point in chosen},
                faults=faults,
            ),
            "true",
        )


def fault_model(options: argparse.Namespace) -> Iterator[tuple[Scenario, str]]:
    """The files of the fault model, each with the verdict that its head names."""
    for path in sorted(FAULT_MODEL.glob("*.toml")):
        text = path.read_text()
        (right,) = re.findall(r"^# Right verdict: (valid|unknown)\.$", text, re.MULTILINE)
        scenario = msgspec.structs.replace(
            load_scenario(text, known()), world=options.world, seed=options.first_seed
        )
        yield scenario, {"valid": "true"}.get(right, right)


def bugs(options: argparse.Namespace) -> Iterator[tuple[Scenario, str]]:
    """The seeded bugs of the registry and the original behaviour: the main job must convict each of them."""
    for bug in BUGS:
        original = bug == "original"
        yield (
            Scenario(
                workload="registry",
                name=f"soak-{bug}",
                world=options.world,
                nodes=3,
                rate=30.0,
                time_limit_s=options.seconds,
                seed=options.first_seed,
                nemesis=["crash-replay"],
                bug="" if original else bug,
                compat="original" if original else "",
                options={
                    "disk": "mounted",
                    "durability": "data",
                    "poison": "collision-equal" if bug == "B-S7" else "rollback",
                    "halt_strike": "none",
                    "deks": 1,
                    "writer_count": 3,
                    "put_percent": 5,
                },
            ),
            "false",
        )


def machine() -> set[str]:
    """Everything on this machine that a run could leave, by name."""
    found = {f"file {path}" for path in lists_directory().rglob("*")}
    found |= {
        f"mount {line.split(' ')[4]}"
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if "reprise" in line
    }
    found |= {f"process {one}" for one in _processes()}
    for what, command in _LISTS.items():
        if shutil.which(command[0]):
            lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found |= {f"{what} {line}" for line in lines.splitlines() if "reprise" in line.lower()}
    return found


_LISTS = {
    "nft": ["nft", "list", "tables"],
    "iptables": ["iptables-save", "-t", "mangle"],
    "queue": ["tc", "qdisc", "show"],
    "container": ["docker", "ps", "--all", "--filter", "label=reprise.run", "--format", "reprise {{.Names}}"],
    "network": ["docker", "network", "ls", "--filter", "label=reprise.run", "--format", "reprise {{.Name}}"],
}  # fmt: skip


def _processes() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(word.startswith(("cluster.node.main", "cluster.worlds.")) for word in words):
            yield f"{path.parent.name} {' '.join(words)}"


def left(before: set[str]) -> list[str]:
    """What is there now and was not `before`, once everything had its time to go."""
    deadline_s = time.monotonic() + SETTLE_S
    while (more := machine() - before) and time.monotonic() < deadline_s:
        time.sleep(0.5)
    return sorted(more)


def resident_mib() -> int:
    """What this process holds in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


class Proof:
    """The figures of one part, as its runs come in."""

    def __init__(self, store: Path) -> None:
        self.wrong: list[dict[str, Any]] = []
        self.memory_mib: list[int] = []
        self.nemeses: Counter[str] = Counter()
        self.facts: Counter[str] = Counter()
        self.runs = 0
        self._store = Store(store)

    def run(self, scenario: Scenario, right: str) -> None:
        """Run one scenario, whose verdict must be `right`, and say how it went. What fails altogether is wrong too."""
        self.runs += 1
        start = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3] + "Z"
        folder = self._store.create(scenario.name or scenario.workload, start)
        begun_s = time.monotonic()
        try:
            finished = execute(scenario, folder)
            keep(finished, folder)
            valid = str(finished.results["valid"]).lower()
            evidence = [str(found.get("what"))[:300] for found in finished.results["evidence"][:3]]
            self._count(finished.results["facts"])
        except Exception:  # noqa: BLE001 - a harness that fails once must not end the night; it is told, and the exit code says so
            valid, evidence = "failed", [traceback.format_exc()]
        self.nemeses.update(scenario.nemesis)
        self.memory_mib.append(resident_mib())
        print(
            f"{self.runs:>4} {scenario.name:<28} seed {scenario.seed:<5} {scenario.bug or scenario.compat} "
            f"{','.join(scenario.nemesis)} {valid:<8} {self.memory_mib[-1]} MiB {time.monotonic() - begun_s:.0f} s",
            flush=True,
        )
        if valid == right:
            shutil.rmtree(folder.path)
            return
        self.wrong.append({"run": str(folder.path), "valid": valid, "evidence": evidence})
        print(f"     {folder.path}", *evidence, sep="\n     ", flush=True)

    def _count(self, told: dict[str, Any]) -> None:
        self.facts.update({name: told[name] for name in _SUMS & set(told)})
        for name in ("crash_points_hit", "faults"):
            self.facts.update({f"{name}/{one}": n for one, n in told.get(name, {}).items()})


def prove(part: str, scenarios: Iterable[tuple[Scenario, str]], store: Path) -> dict[str, Any]:
    """Run everything; returns the figures. What was not as it must be stands in `wrong`."""
    begun_s = time.monotonic()
    proof = Proof(store)
    before: set[str] = set()
    for scenario, right in scenarios:
        check_needs(scenario)
        if not proof.runs:
            prepare(scenario, lambda line: print(f"soak: {line}", file=sys.stderr))
            before = machine()
        proof.run(scenario, right)
    memory = proof.memory_mib
    return {
        "part": part,
        "runs": proof.runs,
        "as_they_must_be": proof.runs - len(proof.wrong),
        "wrong": proof.wrong,
        "wall_s": round(time.monotonic() - begun_s, 1),
        "nemeses": dict(sorted(proof.nemeses.items())),
        "facts": dict(sorted(proof.facts.items())),
        "memory_mib": {"first": memory[0], "last": memory[-1], "most": max(memory)},
        "left": left(before),
    }


_SUMS = frozenset(
    {
        "acked_sync_writes", "error_exits", "halted_exits", "installs", "kills", "leader_changes", "lost_sync_writes",
        "membership_changes", "packets_dropped", "power_losses", "replayed_noops", "restarts", "snapshots", "torn_tails_cut",
        "false_claims", "images_judged",
    }
)  # fmt: skip


PARTS = {
    "runs": runs,
    "power-losses": power_losses,
    "points": points,
    "fault-model": fault_model,
    "bugs": bugs,
}


def main() -> int:
    """Prove one part and print; the exit code says whether all was as it must be."""
    parser = argparse.ArgumentParser(description="Long proofs on real nodes.")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--world", choices=("docker", "local"), default="docker")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0, help="of load in one run")
    parser.add_argument("--count", type=int, default=200, help="power losses")
    parser.add_argument(
        "--gap", type=float, default=2.0, help="seconds from one power loss to the next"
    )
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--store", type=Path, default=Path("store/soak"))
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    figures = prove(options.part, PARTS[options.part](options), options.store)
    grown = figures["memory_mib"]["last"] - figures["memory_mib"]["first"]
    print(
        f"{figures['as_they_must_be']} of {figures['runs']} as they must be, {figures['wall_s']} s"
    )
    print(f"memory {figures['memory_mib']}, left behind: {figures['left'] or 'nothing'}")
    for name, amount in figures["facts"].items():
        print(f"  {name:<60}{amount:>8,}")
    if options.json:
        print(json.dumps(figures))
    return int(bool(figures["wrong"] or figures["left"] or grown > MEMORY_MIB))


if __name__ == "__main__":
    sys.exit(main())
