"""A random life for a raft network: loss, duplication, reordering, partitions, crashes between any two steps.

Everything is drawn through one function `below(n)`, so a seed or a list of numbers is the whole run. What
must hold is checked by `raft_network.Safety` after every single act. `recover` ends the troubles and demands
progress.
"""

from __future__ import annotations

from collections.abc import Callable

from raft_network import MS, STAGES, Network

from cluster.raft.core import Change, ChangeRefused, NotNow, Raft, TooManyInFlight


class Chaos:
    """A network of `size` nodes and the acts that may befall it."""

    def __init__(
        self, size: int, below: Callable[[int], int], peer: type[Raft] = Raft, spares: int = 0
    ) -> None:
        """With `spares`, members come and go and leadership is given away; a name that left never comes back."""
        self.below = below
        self.network = Network(
            size,
            below=lambda _name: below,
            peer=peer,
            spares=spares,
            append_bytes_max=8,
            appends_in_flight_max=2,
            proposals_in_flight_max=6,
            snapshot_chunk_bytes=40,
        )
        self.slow_node = ""
        self.requests = 0
        self.proposed = 0
        self.unused = list(self.network.nodes)[size:]
        # Each act as often as it stands here.
        self.acts = (
            (self.deliver,) * 70
            + (self.propose,) * 10
            + (self.read,) * 6
            + (self.restart,) * 6
            + (self.wake_next,) * 3
            + (self.duplicate,) * 2
            + (self.arm,) * 3
            + (self.drop, self.compact, self.crash, self.cut, self.heal, self.slow)
        )
        if spares:
            self.acts += (self.change,) * 6 + (self.transfer,)

    def act(self) -> None:
        """One random act."""
        self.acts[self.below(len(self.acts))]()

    # The acts.

    def deliver(self) -> None:
        messages = self.network.messages
        if not messages:
            self.wake_next()
            return
        # Mostly in order, now and then not.
        at = 0 if self.below(3) else self.below(len(messages))
        self._hand_over(messages.pop(at))

    def duplicate(self) -> None:
        if self.network.messages:
            self._hand_over(self.network.messages[self.below(len(self.network.messages))])

    def drop(self) -> None:
        if self.network.messages:
            self.network.messages.pop(self.below(len(self.network.messages)))

    def propose(self) -> None:
        for node in self.network.nodes.values():
            if node.raft is not None and node.raft.role == "leader":
                self.proposed += 1
                try:
                    node.raft.propose(b"%d" % self.proposed, self.network.now_ns)
                except (TooManyInFlight, NotNow):
                    continue
                if self.below(2):
                    node.work()

    def read(self) -> None:
        self.requests += 1
        self._any().read(self.requests)

    def wake_next(self) -> None:
        """Let time pass until somebody is due, or a little longer."""
        running = [
            node
            for node in self.network.nodes.values()
            if node.raft is not None and node.name != self.slow_node
        ]
        if not running:
            return
        due_ns = min(node.raft.deadline_ns for node in running)
        self.network.now_ns = max(due_ns, self.network.now_ns) + self.below(300) * MS
        for node in running:
            node.wake()

    def slow(self) -> None:
        """Let one node's clock stand still from now on: it answers, but leads beyond its time."""
        self.slow_node = self._any().name

    def crash(self) -> None:
        node = self._any()
        if node.raft is not None:
            node.crash()

    def arm(self) -> None:
        """Let a node die in the middle of its next Ready."""
        self._any().crash_at = STAGES[self.below(len(STAGES))]

    def restart(self) -> None:
        node = self._any()
        if node.raft is None:
            lowest = node.snapshots.meta.index
            node.start(applied=lowest + self.below(len(node.store) - lowest + 1))

    def compact(self) -> None:
        node = self._any()
        if node.raft is not None and node.raft.applied > node.snapshots.meta.index:
            lowest = node.snapshots.meta.index + 1
            node.compact(lowest + self.below(node.raft.applied - lowest + 1))

    def cut(self) -> None:
        names = list(self.network.nodes)
        self.network.isolate(*(name for name in names if self.below(2)))

    def heal(self) -> None:
        self.network.heal()

    def change(self) -> None:
        """Ask whoever leads for one of the changes that there are."""
        for node in self.network.nodes.values():
            if node.raft is None or node.raft.role != "leader":
                continue
            try:
                node.raft.change(self._some_change(node.raft), self.network.now_ns)
            except (ChangeRefused, NotNow):
                continue
            if self.below(2):
                node.work()

    def _some_change(self, raft: Raft) -> Change:
        """Add, promote, remove, or replace: remove one voter or two for a learner, at once."""
        configuration = raft.configuration
        kind = self.below(4)
        if kind == 0 and self.unused:
            return Change(adds=(self.unused.pop(),))
        learners = configuration.learners
        promoted = (learners[self.below(len(learners))],) if learners and kind != 2 else ()
        removed = []
        if kind >= 2 and len(configuration.voters) > 2 - len(promoted):
            removed = [configuration.voters[self.below(len(configuration.voters))]]
        return Change(promotes=promoted, removes=tuple(removed))

    def transfer(self) -> None:
        """Let whoever leads give leadership away."""
        for node in self.network.nodes.values():
            if node.raft is not None and node.raft.role == "leader":
                try:
                    node.raft.transfer(self._any().name, self.network.now_ns)
                except (ChangeRefused, NotNow):
                    continue
                node.work()

    # The end.

    def recover(self) -> None:
        """End all troubles and demand what a healthy cluster owes: a leader, new commits, equal stores, reads."""
        network = self.network
        network.heal()
        for node in network.nodes.values():
            node.crash_at = ""
            if node.raft is None:
                node.start()
        network.run(10_000 * MS)
        leaders = [node for node in network.nodes.values() if node.raft.role == "leader"]
        assert len(leaders) == 1, f"{len(leaders)} leaders after the heal"
        data = b"the end"
        first = self.requests + 1
        network.propose(leaders[0].name, data)
        configuration = leaders[0].raft.configuration
        assert not configuration.outgoing, "a joint configuration was never left"
        members = [network[name] for name in configuration.members]
        for node in members:
            self.requests += 1
            node.read(self.requests)
        network.run(1_000 * MS)
        for node in members:
            assert node.store, f"{node.name} applied nothing"
            assert node.store[-1].data == data, f"{node.name} did not apply the last entry"
            assert node.store == leaders[0].store
            assert max(node.reads, default=0) < first, f"{node.name} did not answer its last read"

    # Helpers.

    def _any(self):
        names = list(self.network.nodes)
        return self.network.nodes[names[self.below(len(names))]]

    def _hand_over(self, message) -> None:
        self.network.nodes[message.to].step(message)
