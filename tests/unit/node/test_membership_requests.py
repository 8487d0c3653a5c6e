"""Changes of membership as a node serves them: replies, the membership file, snapshots, restarts, dumps."""

import pytest
from node_lab import MS, Lab

from cluster.node.dump import dump_disk
from cluster.node.membership import Handover
from cluster.node.requests import CrashOrder
from cluster.probe import Crash
from cluster.trace import Reconfigured

WITH_LEARNER = {"index": 2, "voters": ["n1"], "outgoing": [], "learners": ["n2"]}
POINT = "join.after_confchange_applied_before_peers_file"


def leading(**config):
    lab = Lab(**config)
    lab.lead()
    return lab


def peers_file(lab):
    file = lab.disk.open("g0/peers.json")
    content = file.read(0, file.size())
    file.close()
    return content


def test_a_change_is_answered_when_it_is_applied():
    """The reply names the entry, the status and the membership file what it made, and the trace tells both moments."""
    lab = leading()

    reply = lab.ask("membership.change", adds=["n2"])

    assert (reply.status, reply.value["index"], reply.value["decision"]) == (
        "ok",
        2,
        "configuration",
    )
    assert lab.ask("status").value["configuration"] == WITH_LEARNER
    assert peers_file(lab) == b'{"node":"n1","voters":["n1"],"configuration":[["n1"],[],["n2"],2]}'
    told = [(e.index, e.learners, e.applied) for e in lab.trace if isinstance(e, Reconfigured)]
    assert told == [(0, (), False), (2, ("n2",), False), (2, ("n2",), True)]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"adds": ["n9"]}, "InvalidArgument", "nobody has told this node where n9 is"),
        ({"adds": ["n1"]}, "InvalidArgument", "n1 is a member already"),
        ({"removes": ["n1"]}, "InvalidArgument", "nobody would be left"),
        ({"removes": "n1"}, "InvalidArgument", "Expected `array`"),
        ({"drops": ["n1"]}, "InvalidArgument", "unknown field `drops`"),
        ({"adds": ["n2"], "expected_index": 7}, "Unavailable", "of entry 0, not 7"),
    ],
)
def test_changes_that_are_refused(body, code, words):
    """A refusal is definite, says why, and leaves everything as it was."""
    lab = leading(reachable=("n1", "n2"))

    reply = lab.ask("membership.change", **body)

    assert (reply.status, reply.code) == ("refused", code)
    assert words in reply.message
    assert lab.ask("status").value["configuration"]["index"] == 0


def test_who_does_not_lead_changes_nothing():
    """A node that waits to be added does not campaign, and refuses changes and transfers with a hint at most."""
    lab = Lab(name="n2", peers=())
    lab.start()
    lab.wake(10_000 * MS)

    assert lab.ask("status").value["role"] == "follower"
    assert lab.ask("membership.change", adds=["n3"]).code == "NotLeader"
    assert lab.ask("membership.transfer", target="n1").code == "NotLeader"
    assert lab.sent == []


def test_a_transfer_to_the_leader_itself_is_done():
    """Who leads already needs no election; nobody else can be chosen in a cluster of one."""
    lab = leading()

    assert lab.ask("membership.transfer", target="n1").status == "ok"
    assert lab.ask("membership.transfer", target="n2").code == "InvalidArgument"


def test_a_death_before_the_file_is_mended_at_the_next_start():
    """The log holds the change, so the next life writes the file that the last one could not."""
    lab = leading()
    lab.node.arm(CrashOrder(point=POINT))
    with pytest.raises(Crash):
        lab.ask("membership.change", adds=["n2"])
    lab.die()
    assert b'configuration":null' in peers_file(lab)

    lab.start()
    lab.wake(400 * MS)

    assert lab.ask("status").value["configuration"] == WITH_LEARNER
    assert b'"configuration":[["n1"],[],["n2"],2]' in peers_file(lab)


def test_a_change_that_died_with_its_leader_never_was():
    """A leader that dies the moment it has appended a change has written nothing: the next life knows the old members."""
    lab = leading()
    lab.node.arm(CrashOrder(point="join.after_confchange_proposed"))
    with pytest.raises(Crash):
        lab.ask("membership.change", adds=["n2"])
    lab.die()

    lab.start()

    assert lab.node.state(0)["configuration"] == {**WITH_LEARNER, "index": 0, "learners": []}


def test_a_snapshot_keeps_what_the_log_forgets():
    """Behind a compacted log the configuration comes from the snapshot, in the next life and in a dump of the disk."""
    lab = leading()
    lab.ask("membership.change", adds=["n2"])
    lab.put("a", 1, 1)
    assert lab.ask("inspect.snapshot").value == {"started": True}
    for _ in range(20):
        lab.wake(MS)
    lab.die()

    dumped = dump_disk(lab.disk)["groups"]["0"]
    lab.start()

    assert [found["configuration"] for found in dumped["snapshots"]] == [WITH_LEARNER]
    assert lab.node.state(0)["configuration"] == WITH_LEARNER


def test_the_log_of_a_disk_shows_its_configurations():
    """A dump lists what stands in the log, applied or not."""
    lab = leading()
    lab.ask("membership.change", adds=["n2"])
    lab.die()

    assert dump_disk(lab.disk)["groups"]["0"]["log"]["configurations"] == [WITH_LEARNER]


class Standing:
    """As much of a peer as a handover looks at."""

    config = type("Config", (), {"election_timeout_ns": 100})

    def __init__(self, role="follower", leader="", transferee="", *, summoned=False):
        self.role = role
        self.leader = leader
        self.transferee = transferee
        self.summoned = summoned
        self.term = 5


@pytest.mark.parametrize(
    ("standing", "now_ns", "status"),
    [
        (Standing("leader", "n1", "n2"), 0, None),
        (Standing("follower", "n2"), 0, "ok"),
        (Standing("leader", "n1"), 100, "refused"),
        (Standing("leader", "n1", summoned=True), 100, "unknown"),
        (Standing("follower", "n3"), 100, "unknown"),
        (Standing(), 399, None),
        (Standing(), 400, "unknown"),
    ],
)
def test_how_a_transfer_ends(standing, now_ns, status):
    """Only a target that was never asked to campaign makes a failure certain."""
    outcome = Handover(1, "n2", 0).outcome(standing, now_ns)

    assert (outcome and outcome.status) == status
