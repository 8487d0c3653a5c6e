"""Single peers of the Raft core for tests that hand it every message themselves."""

from raft_network import MS, NO_SNAPSHOT, Snapshots

from cluster.raft.core import Raft, RaftConfig, Restored
from cluster.raft.messages import AppendReply, Entry, HardState

VOTERS = ("n1", "n2", "n3")
NEW = HardState(0, "", 0)


def restored(hard_state=NEW, snapshot=NO_SNAPSHOT, entries=(), applied=0):
    return Restored(hard_state=hard_state, snapshot=snapshot, entries=entries, applied=applied)


def make(name="n2", voters=VOTERS, snapshots=None, disk=None, **settings):
    config = RaftConfig(
        id=name,
        voters=voters,
        election_timeout_ns=1000 * MS,
        heartbeat_interval_ns=100 * MS,
        **settings,
    )
    return Raft(config, disk or restored(), snapshots or Snapshots(), lambda _count: 0, 0)


def entries(first, last, term=1, size=1):
    return tuple(Entry(index, term, b"x" * size) for index in range(first, last + 1))


def work(raft):
    """Do every Ready and return them."""
    done = []
    while raft.has_ready():
        ready = raft.ready()
        raft.advance(ready, 0)
        if ready.committed:
            raft.applied_to(ready.committed[-1].index)
        done.append(ready)
    return done


def acknowledged(raft):
    """Let the leader that `lead` made commit one more entry."""
    index, _ = raft.propose(b"x", 0)
    work(raft)
    raft.step(AppendReply("n2", "n1", 1, True, index, 0, 0), 0)
    work(raft)


def lead(**settings):
    """A leader n1 of two, whose follower has acknowledged everything."""
    raft = make("n1", ("n1", "n2"), **settings)
    peer = make("n2", ("n1", "n2"))
    raft.campaign(0)
    moving = True
    while moving:
        moving = False
        for here, there in ((raft, peer), (peer, raft)):
            for ready in work(here):
                for message in ready.messages_now + ready.messages_after:
                    there.step(message, 0)
                    moving = True
    assert raft.role == "leader"
    assert raft.commit == 1
    return raft
