"""Without numba the same searches run as plain Python: another process, in which it cannot be imported, judges and compares."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import random, sys
sys.modules["numba"] = None
from call_histories import brute_force, drawn, joined
from harness.checkers.linearizable.by_search import search_each_key
from harness.checkers.linearizable.by_sweep import Manner, sweep_key
from harness.checkers.linearizable.compiled import COMPILED
from harness.checkers.linearizable.search import Budget
random_ = random.Random(3)
histories = [drawn(random_, "cas-register", 6, False) for _ in range(20)]
histories = [rows for rows in histories if rows]
truth = [brute_force(rows, "cas-register") for rows in histories]
found = search_each_key(joined(histories), "cas-register", Budget())
swept = [sweep_key(joined([rows]), "cas-register", Budget(), (Manner(64, 64),)).valid for rows in histories]
print(COMPILED, found.valid.tolist() == [int(one) for one in truth], swept == truth, len(set(truth)))
"""


@pytest.mark.real
@pytest.mark.slow
def test_without_numba_verdicts_are_the_same():
    """Where numba is missing, search and sweep agree with brute force, on valid and invalid histories."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout.split() == ["False", "True", "True", "2"]
