"""Seeds per CPU second of the simulation, checks included, and where the time goes.

One seed is one run of the `registry` workload through the same code as `reprise run` and `reprise search`:

* five nodes, each the real node code with its write-ahead log and SQLite (through our VFS) on a simulated disk;
* election timeout 1-2 s and heartbeats every 200 ms, which suit the latency;
* every message, those between client and node too, takes 10-50 ms, 2 % are lost, 2 % are delivered twice;
* one client proposes a registration or a put every 0.3-1 s for 15 virtual seconds, looking for the leader as clients
  do; then everything is healed, and after a quiet second all rows are read;
* three partitions of 1.5 s, each of a drawn shape around a drawn node, and one kill with a restart a second later;
* judged by everything that judges the workload: Raft's invariants after every event of the trace, state hashes,
  agreement of all replicas, the registry model, durability claims, restart loops, availability, crash facts, statistics.

The plan of a seed (making it, drawing its faults) and its fingerprint (a hash over history, trace and every delivery)
are part of the time. CPU time of this one process, `time.process_time`; the figure is the median over batches of seeds.
Every run must end valid: a benchmark of runs that prove nothing would be worth nothing.

The split comes from a second pass: a timer of the process's CPU time interrupts it every millisecond, and
the sample counts for the innermost frame that is ours.

    python benchmarks/simulation.py [--json] [--seeds N] [--scenario benchmark|registry]
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cluster.trace import Applied
from cluster.worlds.tape import Stream, Tape
from harness.campaign.outcome import Finished
from harness.campaign.plan import Plan, make_plan
from harness.campaign.simulate import simulate, simulate_plan
from harness.generator import PENDING, SECOND_NS, Answer, Context, Generator, sleep
from harness.operation import Operation
from harness.scenario import At, FaultEntry, Scenario
from harness.test import arrange, exact_faults
from nemesis.partition import GRUDGES
from workloads.catalogue import WORKLOADS

ROOT = Path(__file__).resolve().parent.parent
BATCHES = 5
SAMPLE_S = 0.001
MS = 1_000_000

NODES = 5
PAUSE_MIN_NS = 300 * MS
PAUSE_MAX_NS = 1000 * MS
LATENCY = {"delay_min_ns": 10 * MS, "delay_max_ns": 50 * MS}
PARTITIONS_AT_S = (2.5, 6.5, 11.0)
PARTITION_S = 1.5
KILL_AT_S = 9.0
DOWN_NS = SECOND_NS
FIXED = {
    "durability": "data",
    "poison": "none",
    "halt_strike": "none",
    "writer_count": 3,
    "deks": 2,
    "put_percent": 40,
    "snapshot_threshold": 64,
    "log_entries_kept": 0,
    "election_timeout_ms": 1000,
    "heartbeat_ms": 200,
    "loss_percent": 2,
    "duplication_percent": 2,
}
"""What a search would draw."""


class _Paced(msgspec.Struct, frozen=True):
    """Items of `inner`, each a drawn pause after the one before."""

    inner: Generator
    next_ns: int = 0

    def operation(self, context: Context) -> Answer:
        """See `Generator`."""
        answer = self.inner.operation(context)
        if answer is None or answer is PENDING:
            return answer
        item, left = answer
        item = msgspec.structs.replace(item, time_ns=max(self.next_ns, context.time_ns))
        pause_ns = PAUSE_MIN_NS + context.random.below(PAUSE_MAX_NS - PAUSE_MIN_NS)
        return item, _Paced(left, item.time_ns + pause_ns)

    def update(self, context: Context, event: Operation) -> Generator:
        """See `Generator`."""
        return _Paced(self.inner.update(context, event), self.next_ns)


def faults(draw: Stream) -> list[FaultEntry]:
    """Three partitions and a kill, whom they strike drawn."""

    def order() -> list[str]:
        names = [f"n{number}" for number in range(1, NODES + 1)]
        return [names.pop(draw.below(len(names))) for _ in range(NODES)]

    found = []
    for at_s in PARTITIONS_AT_S:
        grudge = list(GRUDGES)[draw.below(len(GRUDGES))]
        value = {"grudge": grudge, "around_leader": draw.below(2) == 1, "order": order()}
        found.append(FaultEntry(f="start-partition", when=At(time_s=at_s), value=value))
        found.append(FaultEntry(f="stop-partition", when=At(time_s=at_s + PARTITION_S)))
    value = {"target": "one", "order": order(), "duration_ns": DOWN_NS}
    return [*found, FaultEntry(f="kill", when=At(time_s=KILL_AT_S), value=value)]


def plan_of(seed: int) -> tuple[Plan, Tape]:
    """The plan of one seed of the benchmark, and its tape."""
    tape = Tape(seed)
    entries = faults(tape.stream("benchmark"))
    scenario = Scenario(
        workload="registry",
        name="benchmark",
        nodes=NODES,
        concurrency=1,
        time_limit_s=15.0,
        seed=seed,
        options=FIXED,
        faults=entries,
    )
    plan = make_plan(scenario, tape)
    workload = WORKLOADS["registry"].make({**FIXED, "nodes": plan.test.nodes})
    load = arrange(
        msgspec.structs.replace(workload, generator=_Paced(workload.generator)),
        rate_hz=SECOND_NS,
        time_limit_ns=plan.test.time_limit_ns,
        exact=exact_faults(entries),
        healing=[{"f": "stop-partition"}, {"f": "start"}, sleep(SECOND_NS)],
    )
    replace = msgspec.structs.replace
    link = replace(plan.surroundings.link, **LATENCY)
    plan = replace(
        plan,
        test=replace(plan.test, generator=load),
        surroundings=replace(plan.surroundings, link=link, client_link=replace(link, ordered=True)),
    )
    return plan, tape


def run_benchmark(seed: int) -> Finished:
    """One seed of the benchmark."""
    return simulate_plan(*plan_of(seed))


def run_registry(seed: int) -> Finished:
    """One seed of what `reprise run registry` runs: denser load, crash points, whatever faults the seed draws."""
    return simulate(Scenario(workload="registry", seed=seed))


RUNS: dict[str, Callable[[int], Finished]] = {"benchmark": run_benchmark, "registry": run_registry}


def measure(run: Callable[[int], Finished], seeds: int) -> dict[str, Any]:
    """Run `seeds` seeds in batches; return the rates and what the runs were like."""
    run(0)
    rates, totals = [], Counter[str]()
    per_batch = max(1, seeds // BATCHES)
    for batch in range(BATCHES):
        cpu_s = 0.0
        for seed in range(1 + batch * per_batch, 1 + (batch + 1) * per_batch):
            start_s = time.process_time()
            finished = run(seed)
            cpu_s += time.process_time() - start_s
            if finished.results["valid"] is not True:
                raise SystemExit(
                    f"seed {seed}: {finished.results['valid']}, {finished.results['evidence']}"
                )
            totals.update(_size_of(finished))
        rates.append(per_batch / cpu_s)
    rate = statistics.median(rates)
    return {
        "seeds_per_cpu_s": round(rate, 1),
        "cpu_ms_per_seed": round(1000 / rate, 2),
        "batches": [round(one, 1) for one in rates],
        "seeds": per_batch * BATCHES,
        "per_seed": {name: round(total / per_batch / BATCHES, 1) for name, total in totals.items()},
    }


def _size_of(finished: Finished) -> dict[str, int]:
    """How much happened in a run. Every message draws its fate once, so the tape counts them."""
    draws = finished.draws.items()
    return {
        "messages": sum(len(drawn) for name, drawn in draws if name.startswith("network.fate/")),
        "entries applied": sum(type(event) is Applied for event in finished.trace),
        "trace events": len(finished.trace),
        "operations": len(finished.history) // 2,
        "kernel events": finished.results["events"],
        "virtual ms": finished.results["duration_ns"] // MS,
    }


def split(run: Callable[[int], Finished], seeds: int) -> dict[str, float]:
    """Run `seeds` seeds again and return each room's share of the samples, in percent."""
    rooms: Counter[str] = Counter()

    def sample(_number: int, frame: FrameType | None) -> None:
        rooms[_room_of(frame)] += 1

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)
    try:
        for seed in range(1, seeds + 1):
            run(seed)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)
    total = sum(rooms.values())
    return {room: round(100 * count / total, 1) for room, count in rooms.most_common()}


def _room_of(frame: FrameType | None) -> str:
    """The package of the innermost frame that is ours, two folders deep; a module stands for itself."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and ".venv" not in path.parts:
            parts = path.relative_to(ROOT).with_suffix("").parts
            return ".".join(parts[:2])
        frame = frame.f_back
    return "elsewhere"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Seeds per CPU second of the simulation, checks included."
    )
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--scenario", choices=RUNS, default="benchmark")
    options = parser.parse_args()
    run = RUNS[options.scenario]
    result = {"scenario": options.scenario, **measure(run, options.seeds)}
    print(
        f"{result['seeds_per_cpu_s']} seeds per CPU second ({result['cpu_ms_per_seed']} ms a seed)"
    )
    print(f"batches: {', '.join(map(str, result['batches']))}")
    print(", ".join(f"{count:g} {name}" for name, count in result["per_seed"].items()) + " a seed")
    result["split_percent"] = split(run, options.seeds)
    for room, percent in result["split_percent"].items():
        print(f"  {percent:5.1f} %  {room}")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
