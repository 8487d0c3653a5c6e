"""The consensus of Reprise: one pure raft peer per group and node, and the manual for using it.

The package decides and does nothing else. It is handed messages, time, random numbers and snapshots,
and hands out a `Ready`: what to send, what to write, what to apply. It imports nothing of this project
but itself. Sources: Ongaro & Ousterhout 2014 ("the paper"), Ongaro's thesis 2014, and etcd-io/raft, whose
`Ready` / `Advance` contract and pipelining it follows.

How to use a peer:

1. Make a `core.Raft` from a `RaftConfig`, from what the disk held (`Restored`: hard state, newest snapshot, the entries
   behind it, the durable applied index), a `SnapshotSource`, a source of random numbers and the present time.
   `RaftInvariantBroken` here means that the disk contradicts itself: do not start, keep the disk.
2. Feed it: `step` every message that arrives, `wake` when `deadline_ns` is reached, `propose`
   and `read` what clients ask. All times are integers of one monotonic clock. Nothing waits, nothing calls back.
3. While `has_ready()`: take `ready()`, do its steps in the order that `ready` (the module) gives, call `advance`,
   apply `committed`, call `applied_to`. One Ready at a time; messages may be stepped in between.
4. Send nothing from `messages_after` before the step before it is durable. This is the whole of what a
   vote and an acknowledgement mean.
5. If a step fails, stop: raft is never told that a disk failed. The single exception is a received snapshot that
   does not verify: call `refuse_snapshot` between `ready` and `advance` and leave the disk as it was.
6. A Ready with `install` comes alone: it has no entries and nothing to apply. After its `advance` the log
   starts behind the snapshot and `applied` is the snapshot's index.
7. Answer a proposal when its (index, term) is applied; answer "lost" when another term stands at that
   index; otherwise nobody knows. Answer a read once `applied` has reached its index. Messages can be lost, so the
   node needs its own timeouts for both, and tells `give_up_read` of a read that it gives up.
8. Never use a read's `request` number twice in the life of a data directory, restarts included: an
   answer to the earlier life may still arrive.
9. After a snapshot is durable, `compact` the log in memory; `compact` beyond the newest snapshot
   leaves followers without help and ends in `RaftInvariantBroken`.
10. A snapshot carries the configuration at its index: make its meta with `meta_at`.
11. `change` and `transfer` alter who belongs and who leads. A peer that is to be added starts with no voters and an
   empty disk, under a name that nobody had before: a name stands for the votes that it gave.
12. `hard_state()` is what a node that halts or stops should write, so that the next start knows the commit index.

Deliberate choices: a commit index travels with appends and heartbeats, never by itself; reads start a round of
heartbeats at once, shared by all reads of one Ready; the hard state is not written for a commit index alone.

Rooms: `messages`, `ready`, `config`, `errors`, `configuration` (words); `log`, `progress`, `quorum` (parts); `peer` (the state);
`election`, `heartbeat`, `replication`, `snapshot_transfer`, `read_index`, `membership`, `transfer` (decisions); `core` (the edge).
Each decision that a seeded bug may want to get wrong is a small method of its own.
"""
