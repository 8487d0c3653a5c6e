"""What was appended and what is committed, from the trace alone.

Here lives the fold of `Appended` and `Committed` facts into one tree of entries per raft group and the path
through it that is committed, and the way from committed bytes to encryption entries and KV requests. It is the
only room of the checkers that knows entry bytes. It judges nothing: a contradiction is returned as a `Conflict`
to whoever folds.

Entries are known by (index, term): Raft's log matching property says that this names one entry and one
history before it (Ongaro & Ousterhout 2014, §5.3), so each entry remembers the term of the one in front of it, and an
entry named by a `Committed` fact commits the whole path to the root. Nodes die between writing an entry and saying
so: what a trace does not tell is `UNKNOWN`, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from cluster.encryption.payloads import (
    FsmWireMalformed,
    FsmWireSubtagError,
    FsmWireVersionError,
    Registration,
    decode_bootstrap,
    decode_registration,
    decode_rotation,
)
from cluster.machine.entries import (
    ENCRYPTION_OPCODES,
    OPCODE_BATCH,
    OPCODE_KV,
    OPCODE_REGISTRATION,
    body_of,
    opcode_of,
)
from cluster.machine.kv_requests import KvMalformed, KvRequest, decode_batch, decode_kv
from cluster.trace import Appended, Committed, Event, Installed, RoleChanged, Started
from harness.checkers.trace_views import once_per_trace

__all__ = [
    "UNKNOWN",
    "Conflict",
    "EncryptionEntry",
    "GroupLog",
    "Peer",
    "Shrinking",
    "committed_logs",
    "encryption_entries",
    "kv_requests",
]

UNKNOWN = -1
"""The term of an entry that no trace event tells."""


class Conflict(msgspec.Struct, frozen=True, gc=False):
    """Two facts that cannot both be true of a correct Raft.

    `kind`: ``data`` (one (index, term), two contents), ``history`` (one (index, term), two terms in front of it)
    or ``commit`` (two entries committed at one index). `term` belongs to the newer fact, `known_term` to the older.
    """

    kind: str
    index: int
    term: int
    known_term: int


class Peer:
    """One node's log as far as the trace tells it: `terms` by index, and where it ends."""

    __slots__ = ("last", "terms")

    def __init__(self) -> None:
        self.terms: dict[int, int] = {0: 0}
        self.last = 0

    def term_at(self, index: int) -> int:
        """Return the term of the node's entry at `index`, or `UNKNOWN`."""
        return self.terms.get(index, UNKNOWN)

    def forget_behind(self, index: int) -> None:
        """Drop what is known of entries behind `index`."""
        for gone in range(index + 1, self.last + 1):
            self.terms.pop(gone, None)


class Shrinking(msgspec.Struct, frozen=True, gc=False):
    """A node came back (`started`) with a log that ends before `commit`, which `holders` still hold."""

    started: Started
    commit: int
    holders: tuple[str, ...]


class GroupLog:
    """All entries of one raft group that any node ever appended, and the committed path through them."""

    __slots__ = ("commit", "committed", "entries", "peers", "shrinkings")

    def __init__(self) -> None:
        self.peers: dict[str, Peer] = {}
        self.shrinkings: list[Shrinking] = []
        self.entries: dict[tuple[int, int], tuple[bytes, int]] = {}
        """(index, term) -> (data, term of the entry in front of it or UNKNOWN)."""
        self.committed: dict[int, int] = {}
        """Index -> term. Has holes only where no node told of an entry."""
        self.commit = 0

    def append(self, peer: Peer, entries: Sequence[tuple[int, int, bytes]]) -> Conflict | None:
        """Put `entries` into `peer`'s log, replacing what stood there and behind; the first conflict found."""
        first = entries[0][0]
        previous = peer.terms.get(first - 1, UNKNOWN)
        if first <= peer.last:
            peer.forget_behind(first - 1)
        terms = peer.terms
        tree = self.entries
        conflict = None
        index = first
        for index, term, data in entries:
            known = tree.get((index, term))
            if known is None:
                tree[index, term] = (data, previous)
            else:
                known_data, known_previous = known
                if known_data != data:
                    conflict = conflict or Conflict("data", index, term, term)
                if known_previous != previous:
                    if known_previous == UNKNOWN:
                        tree[index, term] = (known_data, previous)
                    elif previous != UNKNOWN:
                        conflict = conflict or Conflict("history", index, previous, known_previous)
            terms[index] = term
            previous = term
        peer.last = index
        return conflict

    def commit_to(self, index: int, term: int) -> Conflict | None:
        """Mark the path to (index, term) as committed; a conflict when another path already is."""
        if index <= self.commit:
            known = self.committed.get(index, term)
            return None if known == term else Conflict("commit", index, term, known)
        conflict = None
        for position, term_there in self.path(index, term):
            if position <= self.commit:
                known = self.committed.get(position, term_there)
                if known != term_there:
                    conflict = Conflict("commit", position, term_there, known)
                break
            self.committed[position] = term_there
        self.commit = index
        return conflict

    def restart(self, peer: Peer, last_index: int) -> None:
        """The node came back with a log that ends at `last_index`.

        It may have died between writing entries and saying so: what it said of its log stands only where it
        agrees with what is committed.
        """
        sure = min(peer.last, self.commit, last_index)
        while sure > 0 and peer.term_at(sure) != self.committed.get(sure, UNKNOWN):
            sure -= 1
        peer.forget_behind(sure)
        peer.last = last_index

    def note_shrinking(self, event: Started) -> None:
        """A log got shorter than it was and than what is committed: remember who holds the commit index then."""
        holders = [
            node
            for node, peer in self.peers.items()
            if node != event.node and peer.last >= self.commit
        ]
        self.shrinkings.append(Shrinking(event, self.commit, tuple(holders)))

    def tip(self, peer: Peer, index: int, term: int) -> None:
        """The node said where its log ends (a candidate does): that makes its whole path certain again."""
        if index <= peer.last and (index, term) in self.entries:
            for position, term_there in self.path(index, term):
                if position in peer.terms:
                    return
                peer.terms[position] = term_there

    def install(self, peer: Peer, index: int) -> None:
        """A snapshot at `index` replaced the node's log."""
        peer.terms = {index: self.committed.get(index, UNKNOWN)}
        peer.last = index

    def path(self, index: int, term: int) -> Iterator[tuple[int, int]]:
        """Yield (index, term) of the entry and of every one in front of it, until the root or an unknown one."""
        entries = self.entries
        while index > 0 and term != UNKNOWN:
            yield index, term
            known = entries.get((index, term))
            if known is None:
                return
            index -= 1
            term = known[1]

    def fill_holes(self) -> None:
        """Commit entries that only became known after the fact that committed them."""
        index = self.commit
        while index > 0:
            term = self.committed.get(index, UNKNOWN)
            for position, term_there in self.path(index, term):
                self.committed[position] = term_there
                index = position
            index -= 1

    def data(self, index: int) -> bytes | None:
        """Return the bytes committed at `index`, or None when no event tells them."""
        known = self.entries.get((index, self.committed.get(index, UNKNOWN)))
        return None if known is None else known[0]

    def committed_data(self) -> Iterator[tuple[int, bytes]]:
        """Yield (index, bytes) of every committed entry that is known, in order."""
        for index in range(1, self.commit + 1):
            data = self.data(index)
            if data is not None:
                yield index, data


class EncryptionEntry(msgspec.Struct, frozen=True, gc=False):
    """A committed entry with an encryption opcode.

    `registration` is set for a well-formed opcode 0x03. Otherwise `error_class` names what every replica must halt
    with.
    """

    index: int
    opcode: int
    registration: Registration | None = None
    error_class: str = ""


@once_per_trace
def committed_logs(trace: Sequence[Event]) -> dict[int, GroupLog]:
    """Return the log of each group, once everything that `trace` tells is put together."""
    logs: dict[int, GroupLog] = {}
    for event in trace:
        if type(event) not in _READ:
            continue
        log = logs.get(event.group)
        if log is None:
            log = logs[event.group] = GroupLog()
        peer = log.peers.get(event.node)
        if peer is None:
            peer = log.peers[event.node] = Peer()
        if isinstance(event, Appended):
            log.append(peer, event.entries)
        elif isinstance(event, Committed):
            log.commit_to(event.index, event.term)
        elif isinstance(event, RoleChanged):
            log.tip(peer, event.last_index, event.last_term)
        elif isinstance(event, Started):
            if event.last_index < min(peer.last, log.commit):
                log.note_shrinking(event)
            log.restart(peer, event.last_index)
        elif isinstance(event, Installed):
            log.install(peer, event.index)
    for log in logs.values():
        log.fill_holes()
    return logs


_READ = frozenset({Appended, Committed, Installed, RoleChanged, Started})


def encryption_entries(log: GroupLog) -> list[EncryptionEntry]:
    """Return the committed entries with opcodes 0x03 to 0x07, in log order."""
    return [
        _decode(index, opcode, body_of(data))
        for index, data in log.committed_data()
        if (opcode := opcode_of(data)) in ENCRYPTION_OPCODES
    ]


def _decode(index: int, opcode: int, payload: bytes) -> EncryptionEntry:
    try:
        if opcode == OPCODE_REGISTRATION:
            return EncryptionEntry(index, opcode, decode_registration(payload))
        decoder = _DECODERS.get(opcode)
        if decoder is None:
            return EncryptionEntry(index, opcode, error_class="UnknownEncryptionOpcode")
        decoder(payload)
    except (FsmWireMalformed, FsmWireVersionError, FsmWireSubtagError) as error:
        return EncryptionEntry(index, opcode, error_class=type(error).__name__)
    return EncryptionEntry(index, opcode, error_class="KekNotConfigured")


_DECODERS = {0x04: decode_bootstrap, 0x05: decode_rotation}


def kv_requests(log: GroupLog) -> Iterator[tuple[int, KvRequest]]:
    """Yield (index, request) of every committed key-value request; malformed entries changed nothing."""
    for index, data in log.committed_data():
        opcode = opcode_of(data)
        try:
            if opcode == OPCODE_KV:
                yield index, decode_kv(body_of(data))
            elif opcode == OPCODE_BATCH:
                for request in decode_batch(body_of(data)):
                    yield index, request
        except KvMalformed:
            continue
