"""Snapshots that a crash left complete on the disk and unknown to the log."""

import pytest
from node_lab import Lab

from cluster.node.node import Node
from cluster.node.requests import CrashOrder
from cluster.probe import Crash


def snapshot_now(lab: Lab, node: Node) -> None:
    """Take a local snapshot to its end."""
    node.replicas[0].start_snapshot()
    while node.deadline_ns(lab.now_ns) == lab.now_ns:
        node.work(lab.now_ns)


def test_a_snapshot_that_the_log_does_not_know_does_not_cost_the_one_it_knows():
    """A node dies between a snapshot's files and its record, takes an older one in its next life, and starts again."""
    lab = Lab(snapshots_kept=1, snapshot_threshold=0, applied_index_durability="snapshot")
    node = lab.lead()
    for sequence in range(1, 6):
        assert lab.put("k", sequence, sequence).status == "ok"
    node.arm(CrashOrder(point="snap.raft_snap_file_written"))
    with pytest.raises(Crash):
        snapshot_now(lab, node)
    lab.die(power=True)
    node = lab.start()
    applied = node.state(0)["applied"]
    assert applied < 6  # the hard state lags, so the store was rebuilt to before the lost snapshot
    snapshot_now(lab, node)
    assert node.state(0)["snapshot_index"] == applied
    lab.die()

    again = lab.start()

    assert again.state(0)["applied"] == applied
    lab.wake(400_000_000)
    assert lab.ask("get", key="k").value["value"] == 5
