"""The checkers of whole objects by model, and the comparison of what one says with what is true."""

from __future__ import annotations

from object_histories import drawn
from object_oracles import ORACLES

from harness.checkers.bank import Bank
from harness.checkers.causal.consistency import CausalConsistency
from harness.checkers.causal.guarantees import SessionGuarantees
from harness.checkers.causal.versions import SessionVersions
from harness.checkers.checker import Run
from harness.checkers.counter_bounds import CounterBounds
from harness.checkers.fenced_lock import FencedLock
from harness.checkers.long_fork import LongFork
from harness.checkers.monotonic import Monotonic
from harness.checkers.paired import paired
from harness.checkers.partitioned_log.checker import LogOrder
from harness.checkers.set_full import SetFull
from harness.checkers.subkey_order import SubkeyOrder
from harness.checkers.total_queue import TotalQueue
from harness.checkers.unique_ids import UniqueIds
from harness.checkers.write_precedence import WritePrecedence

CHECKERS = {
    "total-queue": TotalQueue(),
    "unique-ids": UniqueIds(),
    "counter-bounds": CounterBounds(),
    "set-full": SetFull(),
    "bank": Bank(),
    "causal-reverse": WritePrecedence(),
    "sequential": SubkeyOrder(),
    "long-fork": LongFork(),
    "monotonic": Monotonic(),
    "fenced-lock": FencedLock(),
    "causal": CausalConsistency(keyed=True),
    "causal-convergence": CausalConsistency("convergence", keyed=True),
    "causal-memory": CausalConsistency("memory", keyed=True),
    "session-guarantees": SessionGuarantees(keyed=True),
    "session-versions": SessionVersions(keyed=True),
    "kafka": LogOrder(),
}

OPERATIONS_MAX = {"kafka": 12, "session-guarantees": 9}
"""Where the usual seven are too few to go wrong."""


def check(model, history):
    """The verdict of a model's checker."""
    run = Run(nodes=(), history=history, trace=(), options={}, final_state={})
    return CHECKERS[model].check(run)


def said(model, verdict):
    """Of a verdict what the oracle of its model says: counts of elements or of anomalies, or valid."""
    if model == "set-full":
        names = ("stable", "lost", "stale", "never_read", "duplicated", "unexpected")
        return {name: verdict.facts[f"elements_{name}"] for name in names}
    if model == "kafka":
        anomalies = verdict.facts["log_anomalies"]
        return {name: 1 if name.startswith("G1c") else count for name, count in anomalies.items()}
    return verdict.valid


def disagreement(rng, model):
    """Draw a history; the verdict's valid, and in words what is wrong with it: nothing where checker and oracle agree."""
    history = drawn(rng, model, rng.randint(1, OPERATIONS_MAX.get(model, 7)))
    verdict = check(model, history)
    found, truth = said(model, verdict), ORACLES[model](paired(history))
    if found == truth:
        return verdict.valid, ""
    events = [f"{one.process} {one.type} {one.f} {one.value}" for one in history]
    return verdict.valid, "\n".join([f"{model}: {found}, and true is {truth}", *events])
