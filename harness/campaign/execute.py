"""One run on real nodes: plan, run, judge. Real time decides here; the tape still decides load and faults."""

from __future__ import annotations

import time
from typing import Any

from cluster.worlds.errors import WorldFailed
from cluster.worlds.real.world import RealWorld
from cluster.worlds.ssh.places import Reach
from cluster.worlds.tape import Tape
from harness.campaign.outcome import Finished, conclude, final_state
from harness.campaign.places import make_world
from harness.campaign.plan import Plan, make_plan
from harness.checkers.raft_invariants import RaftChecker
from harness.errors import RunFailed
from harness.history import Journal
from harness.interpreter import run as interpret
from harness.scenario import Scenario, dump_scenario
from harness.store import RunFolder

__all__ = ["execute"]


def execute(scenario: Scenario, folder: RunFolder, reach: Reach | None = None) -> Finished:
    """Run `scenario` in a world of real nodes whose files lie in `folder`; the history is written while the run goes on.

    Raises RunFailed when the cluster does not come up, with the tail of a node's log.
    """
    tape = Tape(scenario.seed)
    plan = make_plan(scenario, tape)
    folder.write_scenario(dump_scenario(scenario))
    state: dict[str, Any] = {}
    with folder.open_history() as file:
        journal = Journal(file, time.monotonic_ns)
        try:
            world = make_world(plan, folder.path, reach)
            world.run(_main(plan, world, journal, tape, state))
        except WorldFailed as failure:
            raise RunFailed(str(failure)) from failure
    journal.facts |= world.facts()
    return conclude(
        plan=plan,
        journal=journal,
        trace=world.trace(),
        state=state,
        raft=RaftChecker(),
        draws=tape.draws(),
        ledgers=world.ledgers(),
        fingerprint="",
        duration_ns=world.now_ns(),
    )


async def _main(
    plan: Plan, world: RealWorld, journal: Journal, tape: Tape, state: dict[str, Any]
) -> None:
    try:
        await world.up()
        await interpret(plan.test, world, journal, tape.stream("generator"))
        state.update(await final_state(world, plan.node.groups))
    finally:
        await world.down()
