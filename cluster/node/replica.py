"""One raft group of a node: the order of work between raft, disk, state machine and outbox.

The order is the law (`cluster.raft.ready` states it, specification §3.5 lists what is durable when), and
this is the only place that carries it out. Pure: time comes in with every call, effects leave through the outbox the
moment they may, so a crash keeps what has left and loses what has not.

A call from outside only steps raft; `work` then does everything that became ready. That is where requests
that arrived together share one fsync.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from typing import Protocol

from cluster.encryption.payloads import Registration
from cluster.machine.entries import OPCODE_BATCH, OPCODE_KV, opcode_of
from cluster.machine.leader_check import LeaderCheck, NotReady
from cluster.machine.outcome import Outcome
from cluster.machine.parts import Parts
from cluster.node.config import NodeConfig
from cluster.node.crash_points import NodeProbe
from cluster.node.membership import Handover, save_configuration
from cluster.node.queries import Query
from cluster.node.recovery import Opened, open_group
from cluster.node.requests import Reply, ok, refused, unknown
from cluster.node.snapshots import install_received, take_snapshot
from cluster.node.telling import Teller
from cluster.raft.core import Change, NotLeader, Raft
from cluster.raft.messages import Entry, Message
from cluster.raft.ready import Ready
from cluster.storage.disk import Disk
from cluster.storage.wal import LogFailed
from cluster.trace import Halted

__all__ = ["NodeHalted", "Outbox", "Replica"]

_LOST_PLACE = unknown(
    "Unavailable", "the entry lost its place in this node's log; others may hold it"
)

READ_TIMEOUT_NS = 10_000_000_000
"""A read whose request or answer between nodes was lost is given up after this time."""

NEVER = 1 << 63
"""More entries than there will ever be."""

_STAGED = (OPCODE_KV, OPCODE_BATCH)


class NodeHalted(Exception):
    """A replica halted while applying an entry: the process must end with exit code 78 (specification §4).

    `line` is the one JSON object that goes to the last line of standard error.
    """

    exit_code = 78

    def __init__(
        self, *, group: int, index: int, opcode: int, error_class: str, message: str
    ) -> None:
        super().__init__(f"group {group} halted at entry {index}: {error_class}: {message}")
        self.group = group
        self.index = index
        self.opcode = opcode
        self.error_class = error_class
        self.message = message

    @property
    def line(self) -> str:
        """The JSON object."""
        return json.dumps(
            {
                "event": "apply_halt",
                "group": self.group,
                "index": self.index,
                "opcode": self.opcode,
                "error_class": self.error_class,
                "message": self.message,
            }
        )


class Outbox(Protocol):
    """Where effects leave a node, in order."""

    def send(self, group: int, message: Message) -> None:
        """Send a message to a peer (`message.to`)."""

    def complete(self, request: int, reply: Reply) -> None:
        """Answer local request number `request`."""


class Replica:
    """See the module. Opening one recovers the disk and replays what is known committed; it may raise `NodeHalted`."""

    def __init__(
        self,
        *,
        config: NodeConfig,
        group: int,
        disk: Disk,
        parts: Parts,
        probe: NodeProbe,
        outbox: Outbox,
        opened: Opened,
    ) -> None:
        self.group = group
        self.config = config
        self.probe = probe
        self.parts = parts
        self.disk = disk
        self.journal = opened.journal
        self.shelf = opened.shelf
        self.directory = opened.directory
        self.machine = opened.machine
        self.raft: Raft = opened.raft
        self.snapshot_index = opened.snapshot_index
        self._snapshot_threshold = config.snapshot_threshold or NEVER
        self.halted: NodeHalted | None = None
        self._outbox = outbox
        self._proposals: dict[int, tuple[int, int]] = {}
        """Log index -> (term, request) of proposals made here and not applied yet."""
        self._reads: dict[int, tuple[Query, int]] = {}
        """Request -> (query, when it was asked) of reads that wait for their index, oldest first."""
        self._due_reads: list[tuple[int, int]] = []
        """(index, request) of reads that know their index and are not applied that far yet."""
        self._snapshot_job: Generator[None, None, None] | None = None
        self._handover: Handover | None = None
        self._teller = Teller(config, group, probe, self.raft)

    @classmethod
    def open(
        cls,
        *,
        config: NodeConfig,
        group: int,
        disk: Disk,
        parts: Parts,
        probe: NodeProbe,
        outbox: Outbox,
        below: Callable[[int], int],
        now_ns: int,
    ) -> Replica:
        """Recover group `group` from `disk` and replay. Raises NodeHalted and the refusals of `recovery`."""
        opened = open_group(
            config=config,
            group=group,
            disk=disk,
            parts=parts,
            probe=probe,
            below=below,
            now_ns=now_ns,
        )
        replica = cls(
            config=config,
            group=group,
            disk=disk,
            parts=parts,
            probe=probe,
            outbox=outbox,
            opened=opened,
        )
        try:
            replica.work(now_ns)
        except BaseException:
            replica.abandon()
            raise
        return replica

    # -- what comes in ---------------------------------------------------------------------------

    def receive(self, message: Message, now_ns: int) -> None:
        """Take a peer's message; `work` afterwards."""
        self.raft.step(message, now_ns)

    def take(self, now_ns: int, message: Message) -> None:
        """Take a peer's message and do what follows from it. Raises NodeHalted."""
        self.raft.step(message, now_ns)
        self.work(now_ns)

    def wake(self, now_ns: int) -> None:
        """Do what is due: elections, heartbeats, the next piece of a snapshot."""
        if now_ns >= self.raft.deadline_ns:
            self.raft.wake(now_ns)

    def deadline_ns(self, now_ns: int) -> int:
        """When `wake` is needed next."""
        return now_ns if self._snapshot_job is not None else self.raft.deadline_ns

    def propose(self, request: int, payload: bytes, now_ns: int) -> None:
        """Propose a framed payload for `request`; the answer comes when it is applied here. Raises what raft raises."""
        self._await(request, *self.raft.propose(payload, now_ns))

    def change(self, request: int, change: Change, expected_index: int, now_ns: int) -> None:
        """Change the membership for `request`; answered as a proposal is. Raises what raft raises."""
        index, term = self.raft.change(change, now_ns, expected_index)
        self._await(request, index, term)
        self.probe.index = index
        self.probe.reach("join.after_confchange_proposed")
        self.probe.index = 0

    def transfer(self, request: int, target: str, now_ns: int) -> Reply | None:
        """Give leadership to `target`; the answer comes when it is known who leads. Raises what raft raises."""
        raft = self.raft
        if raft.role == "leader" and target == raft.id:
            return ok({"leader": target, "term": raft.term})
        raft.transfer(target, now_ns)
        self._handover = Handover(request, target, now_ns)
        return None

    def _await(self, request: int, index: int, term: int) -> None:
        earlier = self._proposals.get(index)
        if earlier is not None:
            self._outbox.complete(earlier[1], _LOST_PLACE)
        self._proposals[index] = (term, request)

    def read(self, request: int, query: Query, now_ns: int) -> None:
        """Answer `request` linearizably, now or later, or say that no leader confirms it."""
        self._reads[request] = (query, now_ns)
        self.raft.read(request, now_ns)

    def read_here(self, request: int, query: Query, at_least: int, now_ns: int) -> None:
        """Answer `request` from this replica alone once it has applied `at_least`; what others have may be newer."""
        self._reads[request] = (query, now_ns)
        self._due_reads.append((at_least, request))
        self._answer_reads()

    def check_registration(self, registration: Registration) -> None:
        """Return when proposing `registration` now can halt nobody.

        Raises RegistrationRefused (definite) and NotLeader. Before the no-op of its own term is applied a leader does not
        know its log's past well enough to say.
        """
        raft, machine = self.raft, self.machine
        if raft.role != "leader":
            raise NotLeader(raft.leader)
        if raft.term_of(machine.applied) != raft.term:
            raise NotReady("this leader has not applied an entry of its own term yet; try again")
        tail = raft.slice(machine.applied + 1, raft.last_index)
        LeaderCheck(machine.store.get, tail).admit(registration)

    # -- the work ---------------------------------------------------------------------------------

    def work(self, now_ns: int) -> None:
        """Do everything raft has ready, then one piece of a snapshot in progress. Raises NodeHalted."""
        raft = self.raft
        more = raft.has_ready()
        while more:
            ready = raft.ready()
            self._handle(ready, now_ns)
            # What is only said, or answered, makes nothing more to do.
            wrote = ready.entries or ready.committed or ready.install is not None
            more = bool(wrote) and raft.has_ready()
        if self._reads:
            # Here and not in `wake`: a follower that hears its leader is never due.
            self._give_up_reads(now_ns)
        if self._handover is not None:
            self._settle_handover(self._handover, now_ns)
        if self._snapshot_job is not None:
            self._continue_snapshot()
        elif self.machine.applied - self.snapshot_index >= self._snapshot_threshold:
            self.start_snapshot()

    def _handle(self, ready: Ready, now_ns: int) -> None:
        """One round of `cluster.raft.ready`, in its order."""
        send = self._outbox.send
        group = self.group
        teller = self._teller
        if teller.tracing:
            teller.standing(self.raft)
        for message in ready.messages_now:
            send(group, message)
        for chunk in ready.chunks:
            self.shelf.files.spool_write(chunk.meta.index, chunk.offset, chunk.data)
        if ready.install is not None:
            self._abandon_proposals()
            self._drop_snapshot()
            install_received(self, ready.install)
        if ready.entries or ready.hard_state is not None:
            self.journal.write(ready.entries, ready.hard_state, sync=ready.must_sync)
            if ready.entries and teller.tracing:
                teller.appended(ready.entries, durable=ready.must_sync)
        for message in ready.messages_after:
            send(group, message)
        self.raft.advance(ready, now_ns)
        if ready.committed:
            self.probe.index = ready.committed[0].index
            self.probe.opcode = opcode_of(ready.committed[0].data)
            self.probe.reach("eng.after_send_before_apply")
            self._apply(ready.committed)
        for state in ready.reads:
            self._due_reads.append((state.index, state.request))
        for request in ready.lost_reads:
            if self._reads.pop(request, None) is not None:
                self._outbox.complete(
                    request, refused("Unavailable", "no leader confirms the read now")
                )
        if self._due_reads:
            self._answer_reads()

    def _apply(self, committed: Sequence[Entry]) -> None:
        """Apply in order; consecutive KV entries share one synced batch, a registration stands by itself."""
        probe = self.probe
        machine = self.machine
        if probe.tracing:
            self._teller.committed(committed[-1])
        run: list[tuple[Entry, Outcome]] = []
        for entry in committed:
            opcode = opcode_of(entry.data)
            probe.index = entry.index
            probe.opcode = opcode
            staged = opcode in _STAGED
            if run and not staged:
                self._finish(run)
                run = []
                probe.index = entry.index
                probe.opcode = opcode
            probe.reach("eng.before_apply")
            outcome = machine.apply(entry)
            run.append((entry, outcome))
            if outcome.halt:
                self._finish(run[:-1])
                self._halt(entry, outcome)
            if not staged:
                self._finish(run)
                run = []
        self._finish(run)
        probe.index = 0
        probe.opcode = -1

    def _finish(self, run: Sequence[tuple[Entry, Outcome]]) -> None:
        """Make the effects of `run` durable, move the applied index, tell the proposers."""
        if not run:
            return
        probe = self.probe
        failure = self.machine.flush()
        if failure is not None:
            self._halt(run[0][0], failure)
        for entry, outcome in run:
            probe.index = entry.index
            probe.opcode = outcome.opcode
            if probe.tracing:
                self._teller.applied(entry, outcome)
            probe.reach("eng.after_apply_before_set_applied")
            failure = self.machine.settle()
            if failure is not None:
                self._halt(entry, failure, told=True)
            self.raft.applied_to(entry.index)
            if outcome.decision == "configuration":
                self._configuration_applied(entry.index)
            probe.reach("eng.after_set_applied_before_resolve")
            self._resolve(entry, outcome)
            probe.reach("eng.after_resolve")

    def _configuration_applied(self, index: int) -> None:
        """Write down who belongs to the group since entry `index`."""
        configuration = self.raft.configuration_at(index)
        self.probe.reach("join.after_confchange_applied_before_peers_file")
        save_configuration(self, configuration)
        if self.probe.tracing:
            self._teller.configuration(configuration, applied=True)

    def _resolve(self, entry: Entry, outcome: Outcome) -> None:
        waiting = self._proposals.pop(entry.index, None)
        if waiting is None:
            return
        term, request = waiting
        if term != entry.term:
            reply = refused("Aborted", "another leader's entry took this place in the log")
        elif outcome.error_class:
            reply = refused(outcome.error_class, outcome.message)
        else:
            reply = ok(
                {"index": entry.index, "decision": outcome.decision, "result": outcome.result}
            )
        self._outbox.complete(request, reply)

    def _halt(self, entry: Entry, outcome: Outcome, *, told: bool = False) -> None:
        """Stop applying: the applied index stays below, the commit index is persisted so that the next start halts too.

        `told`: the trace knows already what the entry did; only its index could not be kept. A leader first tells its followers what is committed: they must come to the same end.
        """
        probe = self.probe
        for message in self.raft.last_words():
            self._outbox.send(self.group, message)
        if probe.tracing:
            if not told:
                self._teller.applied(entry, outcome)
            probe.emit(
                Halted(
                    node=self.config.name,
                    incarnation=self.config.incarnation,
                    group=self.group,
                    index=entry.index,
                    opcode=outcome.opcode,
                    error_class=outcome.error_class,
                    message=outcome.message,
                )
            )
        probe.reach("eng.halt")
        self.halted = NodeHalted(
            group=self.group,
            index=entry.index,
            opcode=outcome.opcode,
            error_class=outcome.error_class,
            message=outcome.message,
        )
        try:
            self.journal.write((), self.raft.hard_state(), sync=True)
        except LogFailed as error:
            # The disk that failed the store may fail the log as well; the halt is what happened first.
            raise self.halted from error
        raise self.halted

    def _answer_reads(self) -> None:
        applied = self.machine.applied
        waiting = []
        for index, request in self._due_reads:
            if index > applied:
                waiting.append((index, request))
                continue
            asked = self._reads.pop(request, None)
            if asked is not None:
                self._outbox.complete(request, ok(asked[0].answer(self.machine)))
        self._due_reads = waiting

    def _give_up_reads(self, now_ns: int) -> None:
        while self._reads:
            request, (_, asked_ns) = next(iter(self._reads.items()))
            if now_ns - asked_ns < READ_TIMEOUT_NS:
                return
            del self._reads[request]
            self._due_reads = [due for due in self._due_reads if due[1] != request]
            self.raft.give_up_read(request)
            self._outbox.complete(
                request,
                unknown("DeadlineExceeded", "the index of the read was not reached in time"),
            )

    def _settle_handover(self, handover: Handover, now_ns: int) -> None:
        reply = handover.outcome(self.raft, now_ns)
        if reply is not None:
            self._handover = None
            self._outbox.complete(handover.request, reply)

    def _abandon_proposals(self) -> None:
        for _, request in self._proposals.values():
            self._outbox.complete(request, _LOST_PLACE)
        self._proposals.clear()

    # -- snapshots --------------------------------------------------------------------------------

    def start_snapshot(self) -> bool:
        """Begin a local snapshot; False when one runs, nothing is new or the replica is still recovering."""
        if (
            self._snapshot_job is not None
            or self.machine.recovering
            or self.machine.applied <= self.snapshot_index
        ):
            return False
        self._snapshot_job = take_snapshot(self)
        return True

    def _continue_snapshot(self) -> None:
        job = self._snapshot_job
        if job is not None and next(job, "done") == "done":
            self._snapshot_job = None

    def _drop_snapshot(self) -> None:
        """Give up a local snapshot in progress: it is of a store that is gone, or nobody goes on with it."""
        job, self._snapshot_job = self._snapshot_job, None
        if job is not None:
            job.close()

    # -- the end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop cleanly: the commit index is persisted, files are closed."""
        self.journal.write((), self.raft.hard_state(), sync=True)
        self.machine.store.close()
        self._let_go()

    def abandon(self) -> None:
        """Let go of everything after a crash or a failure, writing nothing."""
        self.directory.abandon()
        self._let_go()

    def _let_go(self) -> None:
        self._drop_snapshot()
        self.shelf.files.close()
        self.journal.close()
