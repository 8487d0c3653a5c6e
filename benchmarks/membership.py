"""What membership costs a run that never changes it: the simulation with and without the rooms that let it change.

The same seeds of `simulation.py`, each as it is and with a consensus core whose members are fixed: quorums are counted over the
voters that it was started with, no entry is looked at for a configuration, none is replicated by or acted upon, and no leader
looks out for a transfer. Everything else, the runs included, is the same: both must come to the same fingerprint.

CPU time of this one process; the two kinds take turns, each seed several times, and the fastest of each seed counts: on a shared
machine everything slower is somebody else's doing.

    python benchmarks/membership.py [--json] [--seeds N] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.simulation import plan_of
from cluster.machine.parts import Parts
from cluster.raft.core import Raft
from cluster.raft.errors import NotLeader, TooManyInFlight
from cluster.raft.log import Log
from cluster.raft.messages import Entry
from cluster.raft.progress import Progress
from cluster.raft.quorum import majority_value
from harness.campaign.simulate import simulate_plan


class _PlainLog(Log):
    """A log whose entries are not looked at."""

    __slots__ = ()

    def extend(self, entries: Sequence[Entry]) -> None:
        """See `Log`; the checks are the same."""
        index = self.last_index
        term = self.last_term
        for entry in entries:
            index += 1
            if entry.index != index or entry.term < term:
                raise ValueError(f"entry {entry.index} does not follow {index - 1}")
            term = entry.term
        self._entries.extend(entries)
        self.last_index = index
        self.last_term = term

    def cut(self, index: int) -> None:
        """See `Log`."""
        del self._entries[index - self.offset - 1 :]
        self.last_index = index - 1
        self.last_term = self._entries[-1].term if self._entries else self.offset_term
        self.offered = min(self.offered, self.last_index)
        self.stable = min(self.stable, self.last_index)


class FixedMembers(Raft):
    """The core as it would be if nobody came or went: the methods of `Raft` that ask who belongs, without the question."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.log.__class__ = _PlainLog

    def propose(self, data: bytes, now_ns: int) -> tuple[int, int]:
        """See `Raft`."""
        if self.role != "leader":
            raise NotLeader(self.leader)
        log = self.log
        if log.last_index - self.commit >= self.config.proposals_in_flight_max:
            raise TooManyInFlight(f"{log.last_index - self.commit} entries are not committed yet")
        index = log.last_index + 1
        log.extend((Entry(index, self.term, data),))
        return index, self.term

    def _may_campaign(self) -> bool:
        return True

    def _quorum_commit_index(self) -> int:
        return majority_value(
            [self.log.stable, *[progress.match for progress in self._progress.values()]]
        )

    def _quorum_contact_ns(self, now_ns: int) -> int:
        return majority_value(
            [now_ns, *[progress.heard_ns for progress in self._progress.values()]]
        )

    def _confirm_rounds(self) -> None:
        confirmed = majority_value(
            [self._round, *[progress.round for progress in self._progress.values()]]
        )
        while self._rounds and self._rounds[0].round <= confirmed:
            done = self._rounds.popleft()
            self._answer_reads(done.reads, done.commit)

    def _follow_configuration(self, now_ns: int) -> None:
        names = self.config.voters
        last = self.log.last_index
        self._progress = {name: Progress(name, last, now_ns) for name in names if name != self.id}

    def _after_commit(self, now_ns: int) -> None:
        pass


def run(seed: int, parts: Parts) -> tuple[float, str]:
    """Run a seed of the benchmark with nodes of these parts; return its CPU seconds and its fingerprint."""
    start_s = time.process_time()
    plan, tape = plan_of(seed)
    finished = simulate_plan(msgspec.structs.replace(plan, parts=parts), tape)
    spent_s = time.process_time() - start_s
    if finished.results["valid"] is not True:
        raise SystemExit(f"seed {seed}: {finished.results['valid']}")
    return spent_s, finished.results["fingerprint"]


def measure(seeds: int, rounds: int) -> dict[str, Any]:
    """Let both kinds take turns; return what a seed costs with each, and the share of membership in percent."""
    kinds = {"changeable": Parts(), "fixed": Parts(raft=FixedMembers)}
    best_s = {(name, seed): float("inf") for name in kinds for seed in range(1, seeds + 1)}
    run(0, kinds["fixed"])
    for _ in range(rounds):
        for seed in range(1, seeds + 1):
            fingerprints = set()
            for name, parts in kinds.items():
                spent_s, fingerprint = run(seed, parts)
                best_s[name, seed] = min(best_s[name, seed], spent_s)
                fingerprints.add(fingerprint)
            if len(fingerprints) > 1:
                raise SystemExit(f"seed {seed} is another run with fixed members")
    total_s = {name: sum(best_s[name, seed] for seed in range(1, seeds + 1)) for name in kinds}
    return {
        "seeds": seeds,
        "rounds": rounds,
        "changeable_ms": round(1000 * total_s["changeable"] / seeds, 2),
        "fixed_ms": round(1000 * total_s["fixed"] / seeds, 2),
        "share_percent": round(100 * (total_s["changeable"] / total_s["fixed"] - 1), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What membership costs a run without changes.")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    result = measure(options.seeds, options.rounds)
    print(
        f"{result['changeable_ms']} CPU ms a seed, {result['fixed_ms']} with fixed members: "
        f"membership costs {result['share_percent']} %"
    )
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
