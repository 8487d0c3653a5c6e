"""Long proofs on real nodes: many runs, many power losses, every crash point, every row of the fault model, every seeded bug.

    python benchmarks/soak.py runs --runs 50 --seconds 30     faults from every surviving row; all valid, nothing left
    python benchmarks/soak.py power-losses --count 200        one cluster loses power so often; nothing acknowledged is lost
    python benchmarks/soak.py points                          A4: power loss at every crash point of the durable writes
    python benchmarks/soak.py variants                        A1' in its 36 variants, A2' and A3' in every replay mode
    python benchmarks/soak.py a5                              A5: a crash at every point of a snapshot, leader and follower
    python benchmarks/soak.py fault-model                     the files of examples/fault-model, each with its right verdict
    python benchmarks/soak.py bugs                            the bugs of the registry are convicted

All take ``--world`` (docker unless said otherwise; `variants` and `a5` know sim too), ``--first-seed`` and ``--json``. Each part ends with the figures, what is left on
this machine that was not there before, and exit code 0 only when everything was as it must be. Runs that were not as they
must be keep their folder below ``--store``; the others are removed.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from soak_machine import left, machine
from soak_plans import PARTS, Case

from harness.campaign.execute import execute
from harness.campaign.needs import check_needs
from harness.campaign.outcome import Finished, keep
from harness.campaign.places import prepare
from harness.campaign.simulate import simulate
from harness.cli.starting import start_time_now
from harness.scenario import Scenario
from harness.store import RunFolder, Store

MEMORY_MIB = 96
"""How much this process may grow between the first run and the last."""


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

    def run(self, case: Case) -> None:
        """Run one scenario and say how it went. What fails altogether is wrong too."""
        self.runs += 1
        scenario = case.scenario
        start = start_time_now()
        folder = self._store.create(scenario.name or scenario.workload, start)
        begun_s = time.monotonic()
        try:
            finished = _finished(scenario, folder)
            keep(finished, folder)
            valid = str(finished.results["valid"]).lower()
            evidence = [str(found.get("what"))[:300] for found in finished.results["evidence"][:3]]
            self._count(finished.results["facts"])
            if case.check is not None:
                case.check(finished)
        except Exception:  # noqa: BLE001 - a harness that fails once must not end the night; it is told, and the exit code says so
            valid, evidence = "failed", [traceback.format_exc()]
        self.nemeses.update(scenario.nemesis)
        self.memory_mib.append(resident_mib())
        print(
            f"{self.runs:>4} {scenario.name:<28} seed {scenario.seed:<5} {scenario.bug or scenario.compat} "
            f"{','.join(scenario.nemesis)} {valid:<8} {self.memory_mib[-1]} MiB {time.monotonic() - begun_s:.0f} s",
            flush=True,
        )
        if valid == case.right:
            shutil.rmtree(folder.path)
            return
        self.wrong.append({"run": str(folder.path), "valid": valid, "evidence": evidence})
        print(f"     {folder.path}", *evidence, sep="\n     ", flush=True)

    def _count(self, told: dict[str, Any]) -> None:
        self.facts.update({name: told[name] for name in _SUMS & set(told)})
        for name in ("crash_points_hit", "faults"):
            self.facts.update({f"{name}/{one}": n for one, n in told.get(name, {}).items()})


def _finished(scenario: Scenario, folder: RunFolder) -> Finished:
    return simulate(scenario) if scenario.world == "sim" else execute(scenario, folder)


def prove(part: str, cases: Iterable[Case], store: Path) -> dict[str, Any]:
    """Run everything; returns the figures. What was not as it must be stands in `wrong`."""
    begun_s = time.monotonic()
    proof = Proof(store)
    before: set[str] = set()
    for case in cases:
        check_needs(case.scenario)
        if not proof.runs:
            if case.scenario.world != "sim":
                prepare(case.scenario, lambda line: print(f"soak: {line}", file=sys.stderr))
            before = machine()
        proof.run(case)
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
        "false_claims", "images_judged", "acked_synced_by_ledger", "ledger_promises", "ledger_images", "ledger_images_not_compared",
    }
)  # fmt: skip


def main() -> int:
    """Prove one part and print; the exit code says whether all was as it must be."""
    parser = argparse.ArgumentParser(description="Long proofs on real nodes.")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--world", choices=("docker", "local", "sim"), default="docker")
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
