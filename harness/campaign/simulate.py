"""One seed in simulation: plan, run, judge. Deterministic: the same scenario and seed give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from cluster.storage.vfs import seed_sqlite_randomness
from cluster.trace import Event
from cluster.worlds.sim.world import SimWorld
from cluster.worlds.tape import Tape
from harness.campaign.outcome import Finished, conclude, final_state
from harness.campaign.plan import Plan, make_plan
from harness.checkers.checker import Run, Verdict
from harness.checkers.raft_invariants import RaftInvariants
from harness.history import Journal
from harness.interpreter import run as interpret
from harness.operation import Operation
from harness.scenario import Scenario

__all__ = ["simulate", "simulate_plan"]


class _Online:
    """The Raft invariants were checked after every event; here is what they found."""

    name = RaftInvariants.name

    def __init__(self, invariants: RaftInvariants) -> None:
        self._invariants = invariants

    def check(self, run: Run) -> Verdict:
        return self._invariants.verdict()


def simulate(
    scenario: Scenario,
    *,
    recorded: Mapping[str, Sequence[int]] | None = None,
) -> Finished:
    """Run `scenario` with its seed (or with `recorded` draws) and judge it."""
    tape = Tape(scenario.seed, recorded)
    return simulate_plan(make_plan(scenario, tape), tape)


def simulate_plan(
    plan: Plan,
    tape: Tape,
    *,
    observers: Sequence[Callable[[Event], None]] = (),
    make_world: Callable[..., SimWorld] = SimWorld,
) -> Finished:
    """Run a finished plan on the tape it was drawn from, and judge it; `observers` see every event as it happens.

    `make_world` may make a world that looks closer; it is called as `SimWorld` is.
    """
    seed_sqlite_randomness(tape.seed)
    invariants = RaftInvariants()
    world = make_world(
        plan.test.nodes,
        tape=tape,
        config=plan.node,
        parts=plan.parts,
        options=plan.surroundings,
        observers=(*observers, invariants.observe),
    )
    journal = Journal()
    state: dict[str, Any] = {}
    world.kernel.run(_main(plan, world, journal, tape, state))
    return conclude(
        plan=plan,
        journal=journal,
        trace=world.trace(),
        state=state,
        raft=_Online(invariants),
        draws=tape.draws(),
        fingerprint=_fingerprint(world, journal.operations),
        duration_ns=world.now_ns(),
        events=world.kernel.events,
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


def _fingerprint(world: SimWorld, history: Sequence[Operation]) -> str:
    digest = blake2b(world.fingerprint().encode(), digest_size=16)
    digest.update(msgspec.msgpack.encode(history))
    return digest.hexdigest()
