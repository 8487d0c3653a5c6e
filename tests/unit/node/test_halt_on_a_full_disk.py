"""A halt on a disk that fails the log as well."""

import node_lab
import pytest
from node_lab import Lab

from cluster.node.replica import NodeHalted
from cluster.node.requests import CrashOrder
from cluster.storage.wal import LogFailed


def test_a_full_disk_halts_although_the_halt_cannot_be_written_down(monkeypatch):
    """The disk fills up between log and store: exit code 78 and the store's error, as the specification says of every
    failure while applying; once there is space, the entry is applied.
    """
    lab = Lab()
    monkeypatch.setattr(node_lab, "_strike", lambda _: lab.disk.faults.fill_up("g0"))
    lab.start(CrashOrder(point="eng.before_apply", opcode=0, action="stall"))
    lab.wake(400_000_000)

    with pytest.raises(NodeHalted) as halted:
        lab.put("k", 1, 1)

    assert (halted.value.exit_code, halted.value.error_class) == (78, "StoreFailed")
    assert isinstance(halted.value.__cause__, LogFailed)
    lab.die()
    lab.disk.faults.heal()
    lab.start()
    lab.wake(400_000_000)
    assert lab.ask("get", key="k").value["value"] == 1
