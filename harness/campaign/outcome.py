"""From a run that ended to its judgement, the same for every world; and the folder that keeps it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import apsw
import msgspec

from cluster.ledger import LedgerPart
from cluster.trace import Event
from cluster.worlds.world import World
from harness.campaign.plan import Plan
from harness.checkers.checker import Checker, Run
from harness.history import Journal
from harness.operation import Operation
from harness.scenario import Scenario, dump_scenario
from harness.store import RunFolder
from harness.verdict import judge, results

__all__ = ["Finished", "conclude", "environment", "final_state", "keep"]


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A judged run: `results` is the content of results.json, `draws` the tape."""

    scenario: Scenario
    results: dict[str, Any]
    history: Sequence[Operation]
    trace: Sequence[Event]
    draws: dict[str, list[int]]


def environment() -> dict[str, str]:
    """What a fingerprint depends on besides the code: versions under which replays can be compared."""
    return {
        "python": platform.python_version(),
        "apsw": apsw.apsw_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "msgspec": msgspec.__version__,
    }


def conclude(
    *,
    plan: Plan,
    journal: Journal,
    trace: Sequence[Event],
    state: Mapping[str, Any],
    raft: Checker,
    draws: dict[str, list[int]],
    ledgers: Mapping[str, Iterable[LedgerPart]] = MappingProxyType({}),
    **about_the_run: Any,
) -> Finished:
    """Judge a run that ended. `raft` judges Raft's promises: online in simulation, afterwards elsewhere.

    `ledgers` are those that disks kept and that outlive their world.
    """
    scenario = plan.scenario
    run = Run(
        nodes=plan.test.nodes,
        history=journal.operations,
        trace=trace,
        options=plan.test.options,
        final_state=state,
        ledgers=ledgers,
    )
    judgement = judge(
        (*plan.test.checkers, raft),
        run,
        stimuli=plan.test.stimuli,
        harness_facts=journal.facts,
        harness_error=journal.first_error,
    )
    return Finished(
        scenario=scenario,
        results=results(
            judgement,
            name=plan.test.name,
            workload=scenario.workload,
            world=scenario.world,
            seed=scenario.seed,
            nodes=list(plan.test.nodes),
            plan=plan.drawn,
            bug=scenario.bug,
            compat=scenario.compat,
            environment=environment(),
            notes=[[time_ns, text] for time_ns, text in journal.notes],
            **about_the_run,
        ),
        history=journal.operations,
        trace=trace,
        draws=draws,
    )


async def final_state(world: World, groups: int) -> dict[str, dict[str, Any]]:
    """Return node -> group -> live state of every node that still answers."""
    found: dict[str, dict[str, Any]] = {}
    for node in world.nodes:
        for group in range(groups):
            state = await world.inspect(node, group) if world.running(node) else None
            if state is not None:
                found.setdefault(node, {})[str(group)] = state
    return found


def keep(finished: Finished, folder: RunFolder) -> None:
    """Write everything that says what happened into `folder`; results come last: with them the run counts."""
    folder.write_scenario(dump_scenario(finished.scenario))
    if not folder.history.exists():
        with folder.open_history() as file:
            journal = Journal(file)
            for operation in finished.history:
                journal.record(operation, operation.time_ns)
            journal.close()
    folder.write_trace(finished.trace)
    folder.write_tape(finished.draws)
    folder.write_results(finished.results)
