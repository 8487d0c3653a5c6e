"""The benchmark of the simulation measures valid runs of what its head says: partitions, a kill, losses, all checks on."""

import importlib.util
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "simulation.py"


@pytest.mark.slow
def test_a_seed_of_the_benchmark_is_a_whole_run():
    """Three partitions, one kill and its restart happen; Raft, registry and agreement judge it."""
    spec = importlib.util.spec_from_file_location("simulation_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    results = module.run_benchmark(0).results

    assert results["valid"] is True
    assert results["facts"]["faults"]["cut"] == 3
    assert results["facts"]["kills"] == 1
    assert {"raft", "registry", "agreement", "durability"} <= set(results["checkers"])


@pytest.mark.slow
def test_a_core_with_fixed_members_makes_the_same_run():
    """What membership costs is measured on equal runs: the core without it decides the same, message for message."""
    spec = importlib.util.spec_from_file_location(
        "membership_benchmark", BENCHMARK.with_name("membership.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    result = module.measure(seeds=2, rounds=1)

    assert result["fixed_ms"] > 0
