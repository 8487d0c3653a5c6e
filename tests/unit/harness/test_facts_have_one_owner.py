"""The checkers of this project can stand side by side in one test."""

from __future__ import annotations

from harness.checkers.agreement import Agreement
from harness.checkers.availability import Availability
from harness.checkers.checker import Checker, Run
from harness.checkers.crash_facts import CrashFacts
from harness.checkers.durability import Durability
from harness.checkers.linearizability import Linearizability
from harness.checkers.liveness import Liveness
from harness.checkers.raft_invariants import RaftChecker
from harness.checkers.registry_model import RegistryModel
from harness.checkers.restart_loop import RestartLoop
from harness.checkers.set_full import SetFull
from harness.checkers.stats import Stats
from harness.checkers.unforced_errors import UnforcedErrors
from harness.verdict import judge


def test_no_two_checkers_report_the_same_fact() -> None:
    """All of them judge one run without a collision, and an empty run is no pass."""
    checkers: list[Checker] = [
        Agreement(),
        Availability(),
        CrashFacts(),
        Durability(),
        Linearizability(),
        Liveness(),
        RaftChecker(),
        RegistryModel(),
        RestartLoop(),
        SetFull(),
        Stats(),
        UnforcedErrors(),
    ]
    run = Run(nodes=("n1",), history=[], trace=[], options={}, final_state={})

    judged = judge(checkers, run, stimuli={}, harness_facts={"harness_errors": 0})

    assert judged.valid == "unknown"
    assert not [
        finding
        for verdict in judged.verdicts.values()
        for finding in verdict.evidence
        if "itself failed" in str(finding.get("what"))
    ]
