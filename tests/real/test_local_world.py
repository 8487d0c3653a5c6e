"""A cluster of real processes: what survives kills, power losses, crash points, pauses and cuts."""

from __future__ import annotations

import os
import signal

import pytest
from local_lab import MS, NODES, SECOND, Lab, in_lab

from cluster.node.crash_points import UnknownCrashPoint
from cluster.node.process_config import Cuts, read_process_config
from cluster.node.requests import CrashOrder
from cluster.trace import Applied, Armed, FalseClaim, Fault, HitPoint, Started, Stopped

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_three_nodes_elect_and_serve(tmp_path):
    """A fresh cluster elects a leader, applies what it is told, and every node reads it."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        assert (await lab.put(leader, "a", [1, 2])).status == "ok"
        for node in NODES:
            reply = await lab.call(node, "get", key="a")
            assert reply.value["value"] == [1, 2], node
        follower = next(node for node in NODES if node != leader)
        refusal = await lab.put(follower, "a", 3)
        assert (refusal.status, refusal.code, refusal.leader) == ("refused", "NotLeader", leader)

    lab = Lab(tmp_path / "run")
    in_lab(lab, scenario)
    events = lab.trace()

    assert [event for event in events if isinstance(event, FalseClaim)] == []
    assert [event.at_ns for event in events] == sorted(event.at_ns for event in events)
    assert dict.fromkeys(NODES, "stop") == {
        event.node: event.cause for event in events if isinstance(event, Stopped)
    }


def test_killed_nodes_keep_what_they_acknowledged(tmp_path):
    """After all nodes were killed and started again, every acknowledged put is there, replayed where need be."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        for number in range(20):
            assert (await lab.put(leader, f"k{number}", number)).status == "ok"
        for node in NODES:
            await lab.kill(node)
            assert not lab.running(node)
            assert await lab.wait_exit(node, SECOND) == -signal.SIGKILL
        for node in NODES:
            await lab.start(node)
        for number in range(20):
            assert await lab.get(f"k{number}") == number

    lab = Lab(tmp_path / "run")
    in_lab(lab, scenario)
    kills = [event for event in lab.trace() if isinstance(event, Stopped) and event.cause == "kill"]

    assert len(NODES) == len(kills)
    assert {1, 2} == {event.incarnation for event in lab.trace() if isinstance(event, Started)}


def test_nodes_that_lost_power_keep_what_they_acknowledged(tmp_path):
    """Everything not fsynced is gone, and no acknowledged put with it; a node that is down may lose power too."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        for number in range(20):
            assert (await lab.put(leader, f"k{number}", number)).status == "ok"
        for node in NODES:
            await lab.power_loss(node)
        await lab.power_loss(leader)
        for node in NODES:
            await lab.start(node)
        for number in range(20):
            assert await lab.get(f"k{number}") == number

    lab = Lab(tmp_path / "run")
    in_lab(lab, scenario)
    causes = [event.cause for event in lab.trace() if isinstance(event, Stopped)]

    assert causes.count("power") == len(NODES)


@pytest.mark.parametrize("action", ["kill", "power"])
def test_an_armed_crash_point_ends_the_node_there(tmp_path, action):
    """The point strikes where it is named: the row is durable, the proposer hears nothing definite, the replay is a no-op."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        await lab.arm(leader, CrashOrder(point="reg.after_set", action=action))
        reply = await lab.register(leader, 7)
        assert reply.status == "unknown"
        assert await lab.wait_exit(leader, 5 * SECOND) == -signal.SIGKILL
        await lab.start(leader)
        await lab.get("anything")
        state = await lab.inspect(leader)
        assert state is not None
        assert len(state["rows"]) >= 1

    lab = Lab(tmp_path / "run")
    in_lab(lab, scenario)
    events = lab.trace()
    hit = next(event for event in events if isinstance(event, HitPoint))
    armed = next(event for event in events if isinstance(event, Armed))
    stopped = next(event for event in events if isinstance(event, Stopped))
    again = [
        e for e in events if isinstance(e, Applied) and e.node == hit.node and e.index == hit.index
    ]

    assert ("reg.after_set", action, "leader") == (hit.point, hit.action, hit.role)
    assert armed.at_ns <= hit.at_ns <= stopped.at_ns
    assert (hit.node, action, -signal.SIGKILL) == (stopped.node, stopped.cause, stopped.exit_code)
    assert [event.decision for event in again] == ["noop"]


@pytest.mark.parametrize(("action", "survives"), [("kill", True), ("power", False)])
def test_a_power_loss_takes_what_was_not_fsynced_and_a_kill_does_not(tmp_path, action, survives):
    """At a point between write and fsync of the log, the entry in hand outlives a kill and not a power loss."""

    async def scenario(lab: Lab) -> None:
        assert (await lab.put(await lab.leader(), "a", 1)).status == "ok"
        before = (await lab.inspect("n1"))["last_index"]
        await lab.arm("n1", CrashOrder(point="wal.after_write_before_fsync", action=action))
        assert (await lab.put("n1", "a", 2)).status == "unknown"
        assert await lab.wait_exit("n1", 5 * SECOND) == -signal.SIGKILL
        log = (await lab.disk_dump("n1"))["groups"]["0"]["log"]
        assert (log["entries"][-1][0] > before) == survives, log

    lab = Lab(
        tmp_path / "run", nodes=("n1",), election_timeout_ns=50 * MS, heartbeat_interval_ns=10 * MS
    )

    in_lab(lab, scenario)


def test_what_was_answered_before_a_crash_point_has_left(tmp_path):
    """A node that dies right after it told the proposer has told him."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        await lab.arm(leader, CrashOrder(point="eng.after_resolve", action="power"))
        assert (await lab.put(leader, "a", 1)).status == "ok"
        assert await lab.wait_exit(leader, 5 * SECOND) == -signal.SIGKILL

    in_lab(Lab(tmp_path / "run"), scenario)


def test_a_stalled_node_goes_on(tmp_path):
    """A stall holds the answer back for its time, and the node is the same process afterwards."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        await lab.arm(
            leader, CrashOrder(point="eng.before_apply", action="stall", stall_ns=300 * MS)
        )
        began_ns = lab.now_ns()
        assert (await lab.put(leader, "a", 1)).status == "ok"
        assert lab.now_ns() - began_ns >= 300 * MS
        assert lab.running(leader)

    in_lab(Lab(tmp_path / "run", election_timeout_ns=SECOND), scenario)


def test_a_crash_point_armed_on_a_dead_node_strikes_at_its_next_start(tmp_path):
    """Orders for a node that is down hold from its next start on, recovery included, and only for that life."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        assert (await lab.put(leader, "a", 1)).status == "ok"
        node = next(node for node in NODES if node != leader)
        await lab.kill(node)
        assert (await lab.put(leader, "a", 2)).status == "ok"
        await lab.arm(node, CrashOrder(point="eng.before_apply"))
        await lab.start(node)
        assert await lab.wait_exit(node, 5 * SECOND) == -signal.SIGKILL
        await lab.start(node)
        await lab.sleep(100 * MS)
        assert lab.running(node)
        with pytest.raises(UnknownCrashPoint):
            await lab.arm(node, CrashOrder(point="eng.nowhere"))
        await lab.arm(node, CrashOrder(point="eng.before_apply"))
        await lab.disarm(node)
        assert (await lab.put(leader, "a", 3)).status == "ok"
        await lab.sleep(100 * MS)
        assert lab.running(node)

    in_lab(Lab(tmp_path / "run"), scenario)


def test_a_rollback_halts_twice_with_the_same_last_words(tmp_path):
    """A committed rollback ends every node with 78 and one JSON line, and again at the next start."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        assert (await lab.register(leader, 7)).status == "ok"
        refusal = await lab.register(leader, 3)
        assert (refusal.status, refusal.code) == ("refused", "FailedPrecondition")
        assert (await lab.register(leader, 3, raw=True)).status == "unknown"
        for node in NODES:
            assert await lab.wait_exit(node, 5 * SECOND) == 78, node
        await lab.start(leader)
        assert await lab.wait_exit(leader, 5 * SECOND) == 78

    lab = Lab(tmp_path / "run")
    in_lab(lab, scenario)
    halts = [event for event in lab.trace() if isinstance(event, Stopped) and event.cause == "halt"]

    assert len(NODES) + 1 == len(halts)
    assert len({event.message for event in halts}) == 1
    assert '"error_class":"LocalEpochRollback"' in halts[0].message.replace(" ", "")


def test_a_cut_off_leader_is_replaced_and_comes_back(tmp_path):
    """A leader that hears and reaches nobody is replaced; healed, it follows and has everything."""

    async def scenario(lab: Lab) -> None:
        old = await lab.leader()
        others = tuple(node for node in NODES if node != old)
        await lab.cut([(old, node) for node in others] + [(node, old) for node in others])
        new = await lab.leader(others)
        assert (await lab.put(new, "a", 1)).status == "ok"
        state = await lab.inspect(old)
        assert state is not None
        assert state["commit"] < (await lab.inspect(new))["commit"]
        await lab.kill(others[0])
        await lab.start(others[0])
        await lab.heal()
        while (await lab.inspect(old))["applied"] < (await lab.inspect(new))["applied"]:
            await lab.sleep(10 * MS)

    lab = Lab(tmp_path / "run")
    in_lab(lab, scenario)

    assert [event.action for event in lab.trace() if isinstance(event, Fault)] == ["cut", "heal"]


def test_a_cut_holds_for_a_node_that_starts_in_it(tmp_path):
    """A node restarted while it is cut off learns nothing until the cut is healed."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        node = next(node for node in NODES if node != leader)
        others = [other for other in NODES if other != node]
        await lab.kill(node)
        await lab.cut([(other, node) for other in others] + [(node, other) for other in others])
        await lab.start(node)
        told = read_process_config(str(tmp_path / "run" / "nodes" / node / "config.json"))
        assert told.cuts == Cuts(to=tuple(others), sender=tuple(others))
        assert (await lab.put(leader, "a", 1)).status == "ok"
        await lab.sleep(150 * MS)
        state = await lab.inspect(node)
        assert state is not None
        assert (state["leader"], state["applied"] < (await lab.inspect(leader))["applied"]) == (
            "",
            True,
        )
        await lab.heal()
        while (await lab.inspect(node))["leader"] == "":
            await lab.sleep(10 * MS)

    in_lab(Lab(tmp_path / "run"), scenario)


def test_a_paused_node_answers_after_it_was_resumed(tmp_path):
    """A paused node exists and is silent; faults can be given to it meanwhile; resumed, it serves again."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        node = next(node for node in NODES if node != leader)
        await lab.pause(node)
        assert lab.running(node)
        assert await lab.inspect(node) is None
        await lab.cut([(leader, node)])
        await lab.heal()
        assert (await lab.put(leader, "a", 1)).status == "ok"
        await lab.resume(node)
        while (await lab.inspect(node))["applied"] < (await lab.inspect(leader))["applied"]:
            await lab.sleep(10 * MS)

    in_lab(Lab(tmp_path / "run"), scenario)


def test_a_stopped_disk_can_be_read(tmp_path):
    """The dump of a dead node's disk shows its log and store without recovering them."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        assert (await lab.register(leader, 7)).status == "ok"
        await lab.kill(leader)
        dump = await lab.disk_dump(leader)
        group = dump["groups"]["0"]
        assert set(group) >= {"log", "snapshots", "store"}
        assert "unreadable" not in group["store"]

    in_lab(Lab(tmp_path / "run"), scenario)


def test_down_ends_paused_nodes_and_is_safe_twice(tmp_path):
    """`down` leaves no process, whatever state it was in, and may be called again."""
    pids = []

    async def scenario(lab: Lab) -> None:
        pids.extend(node.life.pid for node in lab._nodes.values())
        await lab.pause("n2")
        await lab.down()

    in_lab(Lab(tmp_path / "run"), scenario)

    assert len(NODES) == len(pids)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
