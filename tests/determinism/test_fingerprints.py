"""A seed stands for one exact run: in another process, under another hash seed, and for the second time in one process.

Goal: no order of a set or a dictionary, no clock, no address and nothing left over from an earlier run decides anything.
Method: `fingerprints` prints what identifies each run (fingerprint, history, trace, tape), each seed run twice;
three processes with different PYTHONHASHSEED must print the same.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.campaign.simulate import simulate
from harness.scenario import Scenario

PROGRAM = Path(__file__).with_name("fingerprints.py")
HASH_SEEDS = ("0", "1", "4294967295")


def printed(seeds, hash_seed):
    """What the program prints under this hash seed; a difference between two runs of one process ends it with a message."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, str(PROGRAM), str(seeds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_equal_prints(seeds):
    first, *others = [printed(seeds, hash_seed) for hash_seed in HASH_SEEDS]
    assert first.count("\n") == seeds
    for other in others:
        assert other == first


@pytest.mark.slow
def test_four_seeds_are_the_same_in_three_processes():
    """The quick version: one seed of the registry, and three of workloads on the key-value store."""
    check_equal_prints(4)


@pytest.mark.slow
def test_thirty_seeds_are_the_same_in_three_processes():
    """Six runs of each of thirty seeds are byte-identical. For a hundred, which take a minute and more:

    for s in 0 1 4294967295; do PYTHONHASHSEED=$s python tests/determinism/fingerprints.py 100; done | sort | uniq -c
    """
    check_equal_prints(30)


def test_a_run_leaves_nothing_behind_in_its_process():
    """The same short scenario twice, with another one between, has one fingerprint."""
    scenario = Scenario(workload="registry", seed=5, time_limit_s=1.5, options={"poison": "none"})
    other = Scenario(workload="set", seed=6, time_limit_s=1.0)
    first = simulate(scenario).results["fingerprint"]
    simulate(other)
    assert simulate(scenario).results["fingerprint"] == first


def test_another_seed_is_another_run():
    """Otherwise equal fingerprints would prove nothing."""
    runs = [Scenario(workload="registry", seed=seed, time_limit_s=1.0) for seed in (1, 2)]
    assert len({simulate(scenario).results["fingerprint"] for scenario in runs}) == 2
