"""Sweeps that are short of memory, and sweeps that do not count crashed operations."""

import tracemalloc

import numpy as np
import pytest

from harness.checkers.linearizable.by_sweep import (
    CONVICTING,
    WIDE_BREADTHS,
    Manner,
    sweep_key,
)
from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Kind
from harness.checkers.linearizable.compiled import COMPILED
from harness.checkers.linearizable.judge import judge
from harness.checkers.linearizable.search import Budget

MEGABYTE = 1 << 20


def register(rows):
    """A register of (called, returned, kind, value)."""
    called, returned, kind, value = (
        np.array(part, dtype=np.int64) for part in zip(*rows, strict=True)
    )
    nothing = np.full(len(rows), NIL)
    return Calls(
        called=called,
        returned=returned,
        key=np.zeros(len(rows), dtype=np.int64),
        kind=kind,
        value=value,
        value_to=nothing,
    )


def crowded(writers):
    """Writes that never return, of two values in turn, and reads of both in turn behind them."""
    rows = [(n, INFINITY, Kind.WRITE, 1 + n % 2) for n in range(writers)]
    return rows + [
        (writers + 2 * n, writers + 2 * n + 1, Kind.READ, 1 + n % 2) for n in range(writers)
    ]


def test_no_memory_is_no_opinion():
    """A sweep for which there is no memory says nothing, and says that it came nowhere."""
    swept = sweep_key(register(crowded(6)), "register", Budget(sweep_bytes_max=1))

    assert (swept.valid, swept.steps, swept.explained) == ("unknown", 0, 0)


def test_a_judgement_without_memory_says_how_far_it_got():
    """Where no sweep has room and the search gives up, the judgement tells how many operations it could put in order."""
    rows = crowded(40)
    calls = register([*rows, (400, 401, Kind.READ, 3)])

    found = judge(calls, "register", Budget(steps_max=50, sweep_bytes_max=1))

    assert found.valid == "unknown"
    assert 0 < found.explained < found.of


@pytest.mark.skipif(not COMPILED, reason="wide sweeps are for compiled code")
@pytest.mark.parametrize("megabytes", [8, 64])
def test_a_wide_sweep_stays_within_its_memory(megabytes):
    """Memory for fewer places makes a sweep narrower, and all that it holds fits."""
    calls = register(crowded(300))
    sweep_key(register(crowded(2)), "register", Budget(), WIDE_BREADTHS[-1:])  # compiles
    tracemalloc.start()
    try:
        swept = sweep_key(
            calls, "register", Budget(sweep_bytes_max=megabytes * MEGABYTE), WIDE_BREADTHS[-1:]
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert swept.valid is True
    assert peak < (megabytes + 2) * MEGABYTE


def test_what_no_count_explains_is_convicted_without_counting():
    """A value that nobody wrote is a dead end however often crashed writes may take effect."""
    rows = crowded(8)
    calls = register([*rows, (400, 401, Kind.READ, 3)])

    swept = sweep_key(calls, "register", Budget(), (Manner(2, 2, counts=False),))

    assert swept.valid is False
    assert swept.dead_at == 8


def test_a_sweep_that_does_not_count_explains_nothing():
    """Where a crashed write would have to take effect twice, a sweep that does not count has no opinion, and one that does convicts."""
    calls = register(
        [
            (0, INFINITY, Kind.WRITE, 1),
            (1, 2, Kind.READ, 1),
            (3, 4, Kind.WRITE, 2),
            (5, 6, Kind.READ, 1),
        ]
    )

    assert sweep_key(calls, "register", Budget(), CONVICTING[:1]).valid == "unknown"
    assert sweep_key(calls, "register", Budget()).valid is False


def test_a_stale_read_among_crashed_writes_has_a_small_window():
    """Among crashed writes of other values, a stale read is shown by few operations, whatever came before."""
    rows = []
    for n in range(200):
        rows.append((6 * n, 6 * n + 1, Kind.WRITE, 1 + n % 40))
        rows.append((6 * n + 2, INFINITY, Kind.WRITE, 100 + n % 40))
        rows.append((6 * n + 3, 6 * n + 4, Kind.READ, 1 + (n - (n == 150)) % 40))

    found = judge(register(rows), "register")

    assert found.valid is False
    assert found.whatever_before
    assert len(found.window) <= 4
