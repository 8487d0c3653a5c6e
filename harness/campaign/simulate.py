"""One seed in simulation: plan, run, judge. Deterministic: the same scenario and seed give the same bytes."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, BinaryIO

import apsw
import msgspec

from cluster.storage.vfs import seed_sqlite_randomness
from cluster.trace import Event
from cluster.worlds.sim.world import SimWorld
from cluster.worlds.tape import Tape
from harness.campaign.plan import Plan, make_plan
from harness.checkers.checker import Run, Verdict
from harness.checkers.raft_invariants import RaftInvariants
from harness.history import Journal
from harness.interpreter import run as interpret
from harness.operation import Operation
from harness.scenario import Scenario
from harness.verdict import judge, results

__all__ = ["Finished", "environment", "final_state", "simulate"]


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A judged run: `results` is the content of results.json, `draws` the tape."""

    scenario: Scenario
    results: dict[str, Any]
    history: Sequence[Operation]
    trace: Sequence[Event]
    draws: dict[str, list[int]]


class _Online:
    """The Raft invariants were checked after every event; here is what they found."""

    name = RaftInvariants.name

    def __init__(self, invariants: RaftInvariants) -> None:
        self._invariants = invariants

    def check(self, run: Run) -> Verdict:
        return self._invariants.verdict()


def environment() -> dict[str, str]:
    """What a fingerprint depends on besides the code: versions under which a replay can be compared."""
    return {
        "python": platform.python_version(),
        "apsw": apsw.apsw_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "msgspec": msgspec.__version__,
    }


def simulate(
    scenario: Scenario,
    *,
    recorded: Mapping[str, Sequence[int]] | None = None,
    history_file: BinaryIO | None = None,
) -> Finished:
    """Run `scenario` with its seed (or with `recorded` draws) and judge it."""
    seed_sqlite_randomness(scenario.seed)
    tape = Tape(scenario.seed, recorded)
    plan = make_plan(scenario, tape)
    invariants = RaftInvariants()
    world = SimWorld(
        plan.test.nodes,
        tape=tape,
        config=plan.node,
        parts=plan.parts,
        options=plan.surroundings,
        observers=(invariants.observe,),
    )
    journal = Journal(history_file)
    state: dict[str, Any] = {}
    world.kernel.run(_main(plan, world, journal, tape, state))
    run = Run(
        nodes=plan.test.nodes,
        history=journal.operations,
        trace=world.trace(),
        options=plan.test.options,
        final_state=state,
    )
    judgement = judge(
        (*plan.test.checkers, _Online(invariants)),
        run,
        stimuli=plan.test.stimuli,
        harness_facts=journal.facts,
    )
    return Finished(
        scenario=scenario,
        results=results(
            judgement,
            workload=scenario.workload,
            world="sim",
            seed=scenario.seed,
            fingerprint=_fingerprint(world, journal.operations),
            duration_ns=world.now_ns(),
            events=world.kernel.events,
            plan=plan.drawn,
            bug=scenario.bug,
            compat=scenario.compat,
            environment=environment(),
        ),
        history=journal.operations,
        trace=world.trace(),
        draws=tape.draws(),
    )


async def _main(
    plan: Plan, world: SimWorld, journal: Journal, tape: Tape, state: dict[str, Any]
) -> None:
    await world.up()
    try:
        await interpret(plan.test, world, journal, tape.stream("generator"))
        state.update(await final_state(world, plan.node.groups))
    finally:
        await world.down()


async def final_state(world: Any, groups: int) -> dict[str, dict[str, Any]]:
    """Return node -> group -> live state of every node that still answers."""
    found: dict[str, dict[str, Any]] = {}
    for node in world.nodes:
        for group in range(groups):
            state = await world.inspect(node, group)
            if state is not None:
                found.setdefault(node, {})[str(group)] = state
    return found


def _fingerprint(world: SimWorld, history: Sequence[Operation]) -> str:
    digest = blake2b(world.fingerprint().encode(), digest_size=16)
    digest.update(msgspec.msgpack.encode(history))
    return digest.hexdigest()
