"""Raft peers in memory: nodes with a durable and a volatile part, and a network that is a list.

A `Network` does nothing by itself. A test steps it: deliver this message, drop that one, wake this node.
A node handles each Ready in the order of `cluster.raft.ready`; `Node.crash_at` ends it between two of the steps.
Everything that happens is told to `Network.record`, which a transcript prints, and checked at once by
`Safety`: the properties of the paper's Figure 3, and that a read never misses a commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from cluster.raft.configuration import Configuration, decode_configuration, is_configuration
from cluster.raft.core import Change, Raft, RaftConfig, Restored
from cluster.raft.messages import Entry, HardState, Message, SnapshotMeta
from cluster.raft.ready import Ready

MS = 1_000_000
STAGES = ("before_send", "before_write", "before_sync", "before_promise", "before_apply")
NO_SNAPSHOT = SnapshotMeta(0, 0, ())


class Crashed(Exception):
    """The node died at the stage that the test asked for."""


class Safety:
    """What must hold at every moment, over all nodes and all their lives."""

    def __init__(self) -> None:
        self.leaders: dict[int, str] = {}
        self.entries: dict[tuple[int, int], tuple[int, bytes]] = {}
        self.committed: dict[int, Entry] = {}
        self.commit = 0

    def led(self, raft: Raft) -> None:
        """Election Safety and Leader Completeness."""
        leader = self.leaders.setdefault(raft.term, raft.id)
        assert leader == raft.id, f"{leader} and {raft.id} both lead term {raft.term}"
        assert raft.last_index >= self.commit, f"{raft.id} leads without {self.commit}"
        for index in range(raft.first_index, self.commit + 1):
            term = raft.term_of(index)
            assert term == self.committed[index].term, f"{raft.id} leads with {index}/{term}"

    def appended(self, raft: Raft, entries: Iterable[Entry]) -> None:
        """Log Matching, in its inductive form: an entry's place and term tell its data and the term before it."""
        for entry in entries:
            place = (entry.index, entry.term)
            found = (raft.term_of(entry.index - 1), entry.data)
            known = self.entries.setdefault(place, found)
            assert known == found, f"{raft.id} has {found} at {place}, somebody had {known}"

    def counted(self, raft: Raft, holders: set[str]) -> None:
        """A leader commits what a quorum of its configuration holds durably: of one that was in force at that entry or later."""
        configurations = {
            raft.configuration_at(index) for index in range(raft.commit, raft.last_index + 1)
        }
        assert any(
            sum(name in holders for name in half) > len(half) / 2
            and (not other or sum(name in holders for name in other) > len(other) / 2)
            for half, other in ((one.voters, one.outgoing) for one in configurations)
        ), f"{raft.id} commits {raft.commit}, which only {sorted(holders)} hold"

    def applied(self, name: str, entry: Entry) -> None:
        """State Machine Safety: one entry per index, whoever applies it and however often."""
        known = self.committed.setdefault(entry.index, entry)
        assert known == entry, f"{name} applies {entry}, somebody applied {known}"
        self.commit = max(self.commit, entry.index)


class Snapshots:
    """A node's snapshot files: index -> bytes."""

    def __init__(self) -> None:
        self.meta = NO_SNAPSHOT
        self.files: dict[int, bytes] = {}

    def latest(self) -> SnapshotMeta | None:
        return self.meta if self.meta.index else None

    def size(self, index: int) -> int:
        return len(self.files[index])

    def read(self, index: int, offset: int, length: int) -> bytes:
        return self.files[index][offset : offset + length]

    def save(self, meta: SnapshotMeta, content: bytes) -> None:
        self.files = {meta.index: content}
        self.meta = meta


class Node:
    """One node: what its disk holds, and while it runs its peer."""

    def __init__(self, network: Network, config: RaftConfig, below: Callable[[int], int]) -> None:
        self.network = network
        self.name = config.id
        self.config = config
        self.below = below
        self.hard_state = HardState(0, "", 0)
        self.synced_hard_state = self.hard_state
        self.log: list[Entry] = []
        self.synced_log: list[Entry] = []
        self.snapshots = Snapshots()
        self.store: list[Entry] = []
        """Every entry ever applied, in order: the state machine, which is always durable."""
        self.spool = bytearray()
        self.reads: dict[int, int] = {}
        """Own read -> the highest index that anybody had seen committed when it was asked."""
        self.crash_at = ""
        self.refuse = False
        self._seen: tuple[str, int] = ("", 0)
        self._seen_commit = 0
        self._seen_configuration = Configuration(config.voters)
        self.raft: Raft | None = None
        self.start()

    # Life and death.

    def start(self, applied: int | None = None) -> None:
        """Start from disk; `applied` pretends that the store lags behind (then entries are replayed)."""
        if applied is not None:
            del self.store[applied:]
        meta = self.snapshots.meta
        self.raft = self.network.peer(
            self.config,
            Restored(
                hard_state=self.hard_state,
                snapshot=meta,
                entries=[entry for entry in self.log if entry.index > meta.index],
                applied=len(self.store),
            ),
            self.snapshots,
            self.below,
            self.network.now_ns,
        )
        self._seen = ("follower", self.raft.term)
        self._seen_commit = self.raft.commit
        self._seen_configuration = self.raft.configuration
        self.work()

    def crash(self) -> None:
        """Die; whatever was written and not synced is gone."""
        self.raft = None
        self.hard_state = self.synced_hard_state
        self.log = list(self.synced_log)
        self.crash_at = ""
        self.reads.clear()

    # Work.

    def step(self, message: Message) -> None:
        if self.raft is not None:
            self.raft.step(message, self.network.now_ns)
            self.work()

    def wake(self) -> None:
        if self.raft is not None:
            self.raft.wake(self.network.now_ns)
            self.work()

    def work(self) -> None:
        """Handle every Ready that there is."""
        try:
            while self.raft is not None and self.raft.has_ready():
                self._notice()
                self._handle(self.raft, self.raft.ready())
                self._notice()
        except Crashed:
            self.crash()
            self.network.record(f"{self.name} crashed")

    def _handle(self, raft: Raft, ready: Ready) -> None:
        self._pass("before_send")
        self._send(ready.messages_now)
        self._spool(raft, ready)
        self._pass("before_write")
        self._write(raft, ready)
        self._pass("before_promise")
        self._send(ready.messages_after)
        raft.advance(ready, self.network.now_ns)
        self._pass("before_apply")
        for entry in ready.committed:
            self._apply(raft, entry)
        for read in ready.reads:
            needed = self.reads.pop(read.request)
            assert read.index >= needed, f"{self.name} reads at {read.index} what {needed} changed"
            self.network.record(f"{self.name} may answer read {read.request} at {read.index}")
        for request in ready.lost_reads:
            del self.reads[request]
            self.network.record(f"{self.name} lost read {request}")

    def _pass(self, stage: str) -> None:
        if self.crash_at == stage:
            raise Crashed

    def _send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.network.post(message)

    def _spool(self, raft: Raft, ready: Ready) -> None:
        for chunk in ready.chunks:
            del self.spool[chunk.offset :]
            assert len(self.spool) == chunk.offset
            self.spool += chunk.data
        meta = ready.install
        if meta is None:
            return
        assert not ready.entries
        assert not ready.committed
        if self.refuse:
            self.refuse = False
            raft.refuse_snapshot(meta)
            self.network.record(f"{self.name} refuses snapshot {meta.index}/{meta.term}")
            return
        content = bytes(self.spool)
        store = msgspec.msgpack.decode(content, type=list[Entry])
        assert [entry.index for entry in store] == list(range(1, meta.index + 1))
        for entry in store:
            self.network.safety.applied(self.name, entry)
        self.snapshots.save(meta, content)
        self.store = store
        # The snapshot record makes whatever the log holds meaningless: it starts again behind it.
        self.log = []
        self.synced_log = []
        self.network.record(f"{self.name} installs snapshot {meta.index}/{meta.term}")

    def _write(self, raft: Raft, ready: Ready) -> None:
        entries = ready.entries
        if entries:
            self.network.safety.appended(raft, entries)
            first = entries[0].index
            self.log = [entry for entry in self.log if entry.index < first] + list(entries)
            self.network.record(f"{self.name} writes {show_entries(entries)}")
        if ready.hard_state is not None:
            self.hard_state = ready.hard_state
            self.network.record(f"{self.name} writes {show_hard_state(self.hard_state)}")
        self._pass("before_sync")
        if ready.must_sync:
            self.synced_log = list(self.log)
            self.synced_hard_state = self.hard_state

    def _apply(self, raft: Raft, entry: Entry) -> None:
        assert any(entry == held for held in self.synced_log), f"{entry} is applied, not durable"
        assert entry.index == len(self.store) + 1
        self.store.append(entry)
        self.network.safety.applied(self.name, entry)
        raft.applied_to(entry.index)
        self.network.record(f"{self.name} applies {show_entries([entry])}")

    def _notice(self) -> None:
        raft = self.raft
        if raft is None:
            return
        assert raft.commit >= self._seen_commit, f"{self.name} took a commit back"
        assert raft.applied <= raft.commit <= raft.last_index
        if raft.commit > self._seen_commit and raft.role == "leader":
            self.network.safety.counted(raft, self.network.holders(raft.commit, raft.term))
        self._seen_commit = raft.commit
        if raft.configuration != self._seen_configuration:
            self._seen_configuration = raft.configuration
            self.network.record(f"{self.name} has {show_configuration(raft.configuration)}")
        seen = (raft.role, raft.term)
        if seen != self._seen:
            self._seen = seen
            self.network.record(f"{self.name} is {raft.role} in term {raft.term}")
            if raft.role == "leader":
                self.network.safety.led(raft)

    # What a client or an operator asks.

    def read(self, request: int) -> None:
        if self.raft is not None:
            self.reads[request] = self.network.safety.commit
            self.raft.read(request, self.network.now_ns)
            self.work()

    def compact(self, index: int) -> None:
        """Snapshot the store as it was at `index`, then compact the log to there."""
        assert self.raft is not None
        self.snapshots.save(self.raft.meta_at(index), msgspec.msgpack.encode(self.store[:index]))
        self.log = [entry for entry in self.log if entry.index > index]
        self.synced_log = [entry for entry in self.synced_log if entry.index > index]
        self.raft.compact(index)


class Network:
    """Nodes n1 ... and the messages between them, oldest first."""

    def __init__(
        self,
        size: int,
        below: Callable[[str], Callable[[int], int]] | None = None,
        peer: type[Raft] = Raft,
        spares: int = 0,
        **config: int,
    ) -> None:
        """Start `size` empty nodes made of `peer`, and `spares` that wait to be added; `config` overrides fields of RaftConfig.

        `below` gives each node its source of election timeouts; by default n1 waits the minimum and each
        further node a tenth longer.
        """
        self.peer = peer
        self.now_ns = 0
        self.safety = Safety()
        self.messages: list[Message] = []
        self.cut: set[tuple[str, str]] = set()
        self.events: list[str] = []
        names = tuple(f"n{number}" for number in range(1, size + spares + 1))
        members = names[:size]
        settings = {"election_timeout_ns": 1000 * MS, "heartbeat_interval_ns": 100 * MS, **config}
        self.nodes: dict[str, Node] = {}
        for position, name in enumerate(names):
            draw = below(name) if below else lambda count, position=position: count * position // 10
            voters = members if name in members else ()
            self.nodes[name] = Node(self, RaftConfig(id=name, voters=voters, **settings), draw)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def raft(self, name: str) -> Raft:
        """The running peer of a node."""
        raft = self.nodes[name].raft
        assert raft is not None, f"{name} is down"
        return raft

    def holders(self, index: int, term: int) -> set[str]:
        """Who holds the entry (`index`, `term`) durably, in its log or in a snapshot of what is committed."""
        return {
            name
            for name, node in self.nodes.items()
            if node.snapshots.meta.index >= index
            or any(entry.index == index and entry.term == term for entry in node.synced_log)
        }

    def record(self, event: str) -> None:
        self.events.append(event)

    # Messages.

    def post(self, message: Message) -> None:
        self.record(f"{show(message)}{' (cut)' if self._is_cut(message) else ''}")
        if not self._is_cut(message):
            self.messages.append(message)

    def take(self, link: str = "") -> list[Message]:
        """Remove and return the messages on a link (``"n1>n2"``, ``"n1>"``, ``">n2"``; all without one)."""
        sender, _, to = link.partition(">")
        taken = [
            message
            for message in self.messages
            if sender in ("", message.sender) and to in ("", message.to)
        ]
        gone = {id(message) for message in taken}
        self.messages = [message for message in self.messages if id(message) not in gone]
        return taken

    def deliver(self, link: str = "") -> int:
        """Deliver what is on a link now, not what is sent because of it; returns how many."""
        messages = [message for message in self.take(link) if not self._is_cut(message)]
        for message in messages:
            self.nodes[message.to].step(message)
        return len(messages)

    def drop(self, link: str = "") -> list[Message]:
        return self.take(link)

    def stabilize(self) -> None:
        """Deliver until nothing is left to deliver."""
        while self.messages:
            self.deliver()

    def isolate(self, *names: str) -> None:
        """Cut `names` off from all others, both ways, replacing earlier cuts."""
        self.cut = {
            (one, other)
            for one in self.nodes
            for other in self.nodes
            if (one in names) != (other in names)
        }

    def heal(self) -> None:
        self.cut = set()

    def _is_cut(self, message: Message) -> bool:
        return (message.sender, message.to) in self.cut

    # Time.

    def run(self, duration_ns: int) -> None:
        """Let time pass: nodes wake when they are due, messages arrive at once."""
        until_ns = self.now_ns + duration_ns
        while True:
            self.stabilize()
            running = [node.raft for node in self.nodes.values() if node.raft is not None]
            due_ns = min((raft.deadline_ns for raft in running), default=until_ns)
            if due_ns > until_ns:
                self.now_ns = until_ns
                return
            self.now_ns = max(due_ns, self.now_ns)
            for raft in running:
                if raft.deadline_ns <= self.now_ns:
                    self.nodes[raft.id].wake()

    # Short cuts for tests.

    def elect(self, name: str) -> Raft:
        """Make `name` the leader and tell everybody."""
        self.nodes[name].raft.campaign(self.now_ns)  # type: ignore[union-attr]
        self.nodes[name].work()
        self.stabilize()
        raft = self.raft(name)
        assert raft.role == "leader"
        return raft

    def propose(self, name: str, *data: bytes) -> list[tuple[int, int]]:
        """Propose at once, then let the node work."""
        places = [self.raft(name).propose(item, self.now_ns) for item in data]
        self.nodes[name].work()
        return places

    def change(self, name: str, change: Change) -> tuple[int, int]:
        """Ask a node for a change of membership, then let it work."""
        place = self.raft(name).change(change, self.now_ns)
        self.nodes[name].work()
        return place

    def terms(self, name: str) -> list[int]:
        """The terms of a node's log entries, from the first index that it holds."""
        raft = self.raft(name)
        return [raft.term_of(index) for index in range(raft.first_index, raft.last_index + 1)]


# How things look in a transcript.


def show_entries(entries: Iterable[Entry]) -> str:
    """``[2/1 'a', 3/1 -, 4/1 (n1 n2)]``: index, term, data (``-`` for the empty entry), a configuration in brackets."""
    shown = [f"{entry.index}/{entry.term} {_show_data(entry)}" for entry in entries]
    return f"[{', '.join(shown)}]"


def _show_data(entry: Entry) -> str:
    if is_configuration(entry.data):
        return show_configuration(decode_configuration(entry.data, entry.index))
    return repr(entry.data.decode()) if entry.data else "-"


def show_configuration(configuration: Configuration) -> str:
    """``(n1 n2 n4 & n1 n2 n3 + n5)``: voters, outgoing voters behind ``&`` while joint, learners behind ``+``."""
    words = " ".join(configuration.voters)
    if configuration.outgoing:
        words += f" & {' '.join(configuration.outgoing)}"
    if configuration.learners:
        words += f" + {' '.join(configuration.learners)}"
    return f"({words.strip()})"


def show_hard_state(state: HardState) -> str:
    return f"term {state.term} vote {state.vote or '-'} commit {state.commit}"


_SHOW: dict[str, Callable[..., str]] = {
    "VoteRequest": lambda m: (
        f"{'pre ' if m.pre else ''}last {m.last_index}/{m.last_term}"
        f"{' by transfer' if m.transfer else ''}"
    ),
    "VoteReply": lambda m: f"{'pre ' if m.pre else ''}{'granted' if m.granted else 'refused'}",
    "Append": lambda m: (
        f"prev {m.prev_index}/{m.prev_term} commit {m.commit} {show_entries(m.entries)}"
    ),
    "AppendReply": lambda m: (
        f"ok {m.index}" if m.ok else f"rejects {m.index}, hint {m.hint_index}/{m.hint_term}"
    ),
    "Heartbeat": lambda m: f"commit {m.commit} round {m.read}",
    "HeartbeatReply": lambda m: f"round {m.read}",
    "SnapshotChunk": lambda m: (
        f"{m.meta.index}/{m.meta.term} bytes {m.offset}+{len(m.data)} of {m.total}"
    ),
    "SnapshotReply": lambda m: f"{m.index} next {m.next_offset}",
    "ReadRequest": lambda m: f"{m.request}",
    "TimeoutNow": lambda _: "",
    "ReadReply": lambda m: f"{m.request} at {m.index}" if m.index else f"{m.request} not now",
}


def show(message: Message) -> str:
    """One line for one message."""
    kind = type(message).__name__
    shown = f"{message.sender}>{message.to} {kind} term {message.term} {_SHOW[kind](message)}"
    return shown.rstrip()
