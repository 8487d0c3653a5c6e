"""Every schedule of two crashes in a small scope is survived, and a bug that needs a crash is met without a search."""

from __future__ import annotations

import pytest

from harness.campaign.exhaustive import explore_crashes
from harness.scenario import Scenario


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["registry", "set"])
def test_all_schedules_of_a_small_scope_are_survived(workload):
    """Three steps of each node: 3 pairs of nodes, 3 by 3 steps, 2 by 2 ways to die; all of them strike both."""
    found = explore_crashes(
        Scenario(workload=workload), steps=3, occurrences=1, progress=lambda *_: None
    )

    assert found.valid is True, found.evidence[:2]
    assert found.schedules == found.tried == found.struck[2] == 3 * 9 * 4


@pytest.mark.slow
def test_a_wrong_order_of_a_snapshot_is_met():
    """R-C4 shows at the crash points of a snapshot, and the schedule that met it is kept as a scenario."""
    found = explore_crashes(
        Scenario(workload="set", bug="R-C4"), steps=30, occurrences=1, progress=lambda *_: None
    )

    assert found.valid is False
    assert found.failed is not None
    assert found.failed.faults[0].f == "arm"
