"""The clock ceiling lives in memory, and still no restart lowers it (specification §3.6)."""

import pytest
from node_lab import Lab

from cluster.machine.entries import encode_lease_payload


@pytest.mark.parametrize("mode", ["every", "data", "snapshot"])
@pytest.mark.parametrize("snapshot", [False, True])
def test_a_lease_behind_the_applied_index_holds_after_a_restart(mode, snapshot):
    """Entries that the store holds already are not applied again, but for leases: those it cannot hold."""
    lab = Lab(applied_index_durability=mode, snapshot_threshold=0)
    node = lab.lead()
    lab.ask("inspect.propose_raw", payload=encode_lease_payload(500).hex())
    if snapshot:
        lab.ask("inspect.snapshot")
        while node.deadline_ns(lab.now_ns) == lab.now_ns:
            node.work(lab.now_ns)
        lab.ask("inspect.propose_raw", payload=encode_lease_payload(700).hex())
    lab.put("k", 1, 1)
    before = node.replicas[0].machine.hlc_ceiling_ms
    lab.die()

    machine = lab.start().replicas[0].machine
    lab.wake(400_000_000)

    assert before == (700 if snapshot else 500)
    assert machine.hlc_ceiling_ms == before
