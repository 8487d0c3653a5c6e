"""What two hundred seeds of the default scenario come to when nothing is wrong: all valid, and nearly all of them for a reason.

Goal: the planted bugs are found by schedules that a correct cluster passes, and these schedules go where it hurts.
Method: `benchmarks/default_scenario.py` counts; here stand the limits.
"""

import importlib.util
from pathlib import Path

import pytest

from cluster.node.crash_points import CATALOGUE

SEEDS = 200
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "default_scenario.py"


@pytest.fixture(scope="module")
def found():
    spec = importlib.util.spec_from_file_location("coverage_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.measure(0, SEEDS)


@pytest.mark.slow
def test_every_clean_seed_is_valid(found):
    """No finding on a correct cluster, and no run that proved nothing."""
    assert found["not_valid"] == {}
    assert found["verdicts"] == {"True": SEEDS}


@pytest.mark.slow
def test_most_seeds_replay_a_registration_and_many_lose_power(found):
    """The two things that this project is about happen in nearly every run."""
    assert found["replayed_percent"] >= 80
    assert found["power_loss_percent"] >= 30


@pytest.mark.slow
def test_every_crash_point_is_hit(found):
    """Each of the catalogue, at a rate of five times per thousand seeds at least, the halt's own point included.

    Those of changes of membership need such changes; `test_membership_nemesis` and the examples have them.
    """
    expected = {point for point in CATALOGUE if not point.startswith("join.")}
    assert set(found["crash_points_hit"]) == expected
    assert found["below_minimum"] == []
