"""How a node ends on purpose: halts that come again, and starts that are refused without a trace on disk."""

from __future__ import annotations

import gc
import json

import apsw
import pytest
from node_lab import MS, Lab

from cluster.encryption.errors import UnsupportedStoreForWriterRegistry
from cluster.machine.admin_gate import MUTATORS
from cluster.node.peers import WrongDisk
from cluster.node.replica import NodeHalted
from cluster.storage.disk import LockHeld
from cluster.storage.snapshot_files import SnapshotUnusable
from cluster.storage.state_store import StoreRefused


def test_a_rollback_halts_and_halts_again_at_every_start() -> None:
    """The applied index stays below the poison, the row is unchanged, and two more starts end the same way."""
    lab = Lab()
    lab.lead()
    lab.register("n1", 5)
    with pytest.raises(NodeHalted) as first:
        lab.poison("n1", 4)
    rows = lab.node.state(0)["rows"] if lab.node else {}
    lab.die()
    for _ in range(2):
        with pytest.raises(NodeHalted) as again:
            lab.start()
        assert (again.value.index, again.value.error_class) == (
            first.value.index,
            "LocalEpochRollback",
        )
    lab.disk.kill()

    assert [value[-4:] for value in rows.values()] == ["0005"]


def test_the_last_line_of_a_halted_node_is_one_json_object() -> None:
    """Whoever supervises a node can read why it stopped."""
    lab = Lab()
    lab.lead()
    lab.register("n498", 1)
    with pytest.raises(NodeHalted) as halt:
        lab.poison("n784", 1)

    line = json.loads(halt.value.line)
    assert halt.value.exit_code == 78
    assert {key: line[key] for key in ("event", "group", "opcode", "error_class")} == {
        "event": "apply_halt",
        "group": 0,
        "opcode": 3,
        "error_class": "WriterUint16Collision",
    }


def test_the_leader_refuses_what_would_halt() -> None:
    """Through ``register`` rollbacks and collisions are refused before they are proposed, for certain."""
    lab = Lab()
    lab.lead()
    lab.register("n498", 5)
    replies = [lab.register("n498", 4), lab.register("n784", 6)]

    assert all(reply is not None for reply in replies)
    assert [(reply.code, reply.definite) for reply in replies if reply] == [
        ("FailedPrecondition", True)
    ] * 2


@pytest.mark.parametrize("method", MUTATORS)
def test_the_public_admin_surface_is_closed(method: str) -> None:
    """Every mutating admin call answers FailedPrecondition, and nothing was proposed."""
    lab = Lab()
    lab.lead()
    assert lab.node is not None
    before = lab.node.state(0)["last_index"]
    reply = lab.ask(f"admin.{method}", dek_id=1)
    assert reply is not None

    assert (reply.status, reply.code, reply.definite) == ("refused", "FailedPrecondition", True)
    assert lab.node.state(0)["last_index"] == before


@pytest.mark.parametrize(
    "kind", ["inspect.state", "inspect.register", "inspect.propose_raw", "crash.arm"]
)
def test_inspection_answers_only_where_it_was_asked_for(kind: str) -> None:
    """A node started without inspection and crash points offers neither."""
    lab = Lab(inspection=False, crash_points=False)
    lab.lead()
    reply = lab.ask(kind)
    assert reply is not None

    assert (reply.status, reply.code) == ("refused", "PermissionDenied")


@pytest.mark.parametrize(
    "body", [{}, {"dek_id": "x"}, {"dek_id": 1, "full_node_id": 2**70, "local_epoch": 0}]
)
def test_a_request_with_wrong_arguments_is_refused_for_certain(body: dict[str, object]) -> None:
    """Missing, mistyped and out-of-range arguments are the caller's mistake and end nobody."""
    lab = Lab()
    lab.lead()
    reply = lab.ask("inspect.register", **body)
    assert reply is not None

    assert (reply.status, reply.code) == ("refused", "InvalidArgument")


def test_a_store_that_keeps_nothing_is_refused_before_anything_is_touched() -> None:
    """B-S2: a memory store cannot carry the registry; the disk stays as it was."""
    lab = Lab(store="memory")
    with pytest.raises(UnsupportedStoreForWriterRegistry):
        lab.start()

    assert [name for name in lab.disk.list("") if name != "LOCK"] == []


def test_a_second_process_on_one_disk_is_refused() -> None:
    """The lock of the data directory has one holder."""
    lab = Lab()
    lab.start()
    with pytest.raises(LockHeld):
        lab.start()


def test_another_nodes_disk_is_refused() -> None:
    """A node started on a disk that is not its own stops before it can vote twice."""
    lab = Lab()
    lab.start()
    lab.die()
    with pytest.raises(WrongDisk, match="n1"):
        lab.start(name="n2", peers=("n2",))
    lab.start()


def test_a_group_that_cannot_open_closes_those_before_it() -> None:
    """B-S3: group 1 is damaged; group 0, lock and connections are given back, and a retry in the same process works."""
    lab = Lab(groups=2)
    lab.start()
    lab.die()
    gc.collect()
    connections = len(apsw.connections())
    file = lab.disk.open("g1/store/db")
    page = file.read(0, 4096)
    file.write(0, bytes(4096))
    with pytest.raises(StoreRefused):
        lab.start()
    assert len(apsw.connections()) == connections
    file = lab.disk.open("g1/store/db")
    file.write(0, page)
    file.fsync()

    lab.start()


def test_a_damaged_snapshot_that_the_log_needs_is_refused() -> None:
    """Behind a snapshot the log begins at its end: without the file there is no state to start from."""
    lab = Lab()
    lab.lead()
    for number in range(1, 5):
        lab.put("a", number, sequence=number)
    lab.ask("inspect.snapshot")
    for _ in range(5):
        lab.wake(10 * MS)
    lab.die()
    [name] = [name for name in lab.disk.list("g0/snap") if name.endswith(".fsm")]
    lab.disk.flip_bit(f"g0/snap/{name}", 20)

    with pytest.raises(SnapshotUnusable):
        lab.start()


def test_a_node_rebuilt_from_its_snapshot_is_the_same() -> None:
    """``force_restore_on_start`` throws the store away and makes it anew from snapshot and log."""
    lab = Lab()
    lab.lead()
    for number in range(1, 5):
        lab.put("a", number, sequence=number)
        lab.register("n1", number)
    lab.ask("inspect.snapshot")
    for _ in range(5):
        lab.wake(10 * MS)
    lab.put("b", 1, sequence=9)
    assert lab.node is not None
    before = lab.node.state(0)
    lab.die()
    lab.start(force_restore_on_start=True)
    lab.wake(400 * MS)
    assert lab.node is not None
    after = lab.node.state(0)

    assert after["rows"] == before["rows"]
    reply = lab.ask("get", key="b")
    assert reply is not None
    assert reply.value["value"] == 1
