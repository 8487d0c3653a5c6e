"""Registers and the growing set: valid on a correct cluster, invalid on one that lies, unknown when nothing happened.

The liars are state machines of one small fault each, planted through the parts of a node as seeded bugs are.
"""

import msgspec
import pytest

from cluster.machine.kv_requests import STALE, KvResponse
from cluster.machine.machine import StateMachine
from cluster.machine.parts import Parts
from cluster.worlds.tape import Stream, Tape
from harness.campaign.plan import make_plan
from harness.campaign.simulate import simulate, simulate_plan
from harness.generator import new_context
from harness.scenario import Scenario
from workloads.catalogue import WORKLOADS


class StaleReads(StateMachine):
    """Every third read of a key gets the value of the read before."""

    def read(self, key):
        value = super().read(key)
        reads, before = self.__dict__.setdefault("seen", {}).get(key, (0, None))
        self.seen[key] = (reads + 1, value)
        return before if reads % 3 == 2 else value


class LostAppends(StateMachine):
    """A list loses its last element when it is read, once it has three."""

    def read(self, key):
        value = super().read(key)
        return value[:-1] if isinstance(value, list) and len(value) >= 3 else value


class ForgottenAnswers(StateMachine):
    """Every third append takes effect, and its answer is that nobody knows any more."""

    def _execute(self, request, stamp):
        response = super()._execute(request, stamp)
        return KvResponse(False, None, STALE) if request.value % 3 == 2 else response


class Phantoms(StateMachine):
    """A list shows one element that nobody ever added."""

    def read(self, key):
        value = super().read(key)
        return [*value, -1] if isinstance(value, list) else value


def scenario(workload, **fields):
    return Scenario(workload=workload, seed=4, nodes=3, **{"time_limit_s": 2.0, **fields})


def with_machine(machine, workload):
    tape = Tape(4)
    plan = make_plan(scenario(workload, nemesis=["none"]), tape)
    return simulate_plan(msgspec.structs.replace(plan, parts=Parts(machine=machine)), tape).results


def invariants(results, checker):
    return {one["invariant"] for one in results["evidence"] if one["checker"] == checker}


@pytest.mark.parametrize("workload", ["register", "set"])
def test_a_correct_cluster_passes_with_crashes(workload):
    """The default faults, and every kind of operation succeeded."""
    done = simulate(scenario(workload))
    assert done.results["valid"] is True
    counts = done.results["facts"]["operations"]
    assert all(row["ok"] for f, row in counts.items() if f != "cas")


@pytest.mark.parametrize("workload", ["register", "set"])
def test_a_run_in_which_nothing_was_written_is_unknown(workload):
    """Reads alone prove nothing, though all of them are right."""
    results = simulate(scenario(workload, time_limit_s=0.01, nemesis=["none"])).results
    assert results["facts"]["operations"]["read"]["ok"]
    assert results["valid"] == "unknown"


def test_stale_reads_of_registers_are_convicted():
    """A read that returns an older value fits nowhere."""
    results = with_machine(StaleReads, "register")
    assert results["valid"] is False
    assert invariants(results, "linearizable") == {"I32"}


def test_elements_missing_from_the_set_are_convicted():
    """An element that was acknowledged must be in every later read."""
    results = with_machine(LostAppends, "set")
    assert results["valid"] is False
    assert invariants(results, "set") == {"I22"}


def test_elements_out_of_nothing_are_convicted():
    """The set holds what was added and nothing else."""
    results = with_machine(Phantoms, "set")
    assert results["valid"] is False
    assert results["facts"]["elements_unexpected"] == 1


def test_a_forgotten_answer_is_no_failure():
    """A request that the store calls stale may have taken effect: its operation is indeterminate."""
    results = with_machine(ForgottenAnswers, "set")
    assert results["facts"]["operations"]["add"]["info"] > 0
    assert results["valid"] is True


@pytest.mark.parametrize("workload", ["register", "set"])
def test_asking_a_load_changes_nothing(workload):
    """A generator may be asked, and the answer thrown away: the next value is only used up when it is dispatched."""
    offer = WORKLOADS[workload]
    options = offer.swarm(Stream("plan", 0), {"nodes": ("n1",), "read_percent": 0})
    load = offer.make(options).generator
    first, left = load.operation(new_context(1, Stream("test", 0)))
    same, _ = load.operation(new_context(1, Stream("test", 0)))
    after, _ = left.operation(new_context(1, Stream("test", 0)))
    assert same.value == first.value
    assert after.value != first.value


def test_reads_are_made_at_every_node():
    """Each process reads at its own node, and the answers name it."""
    done = simulate(scenario("register", nemesis=["none"]))
    readers = {op.node for op in done.history if op.f == "read" and op.type == "ok"}
    assert readers == {"n1", "n2", "n3"}
