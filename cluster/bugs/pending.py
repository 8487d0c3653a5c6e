"""Bugs that are known from elsewhere and cannot be planted here yet, each with what it waits for. Data only."""

from __future__ import annotations

from cluster.bugs.bug import Pending

__all__ = ["PENDING"]

_KEYS = "data keys: bootstrap, rotation and the sidecar file are not built"
_CUTOVER = "envelopes and the raft cutover are not built"
_STARTUP = "startup guards and the node's own registration are not built"
_DESIGN = "design and history of the public writer registry"

PENDING: tuple[Pending, ...] = tuple(
    Pending(id=bug_id, title=title, source=source, waits_for=waits_for)
    for bug_id, title, source, waits_for in (
        ("B-S3", "groups stay open when a later one fails to open", _DESIGN, "runs with two groups whose second store fails"),
        ("B-S9", "the gate of administrative requests forgets one of its conditions", _DESIGN, _KEYS),
        ("B-S12", "replicas without a key meet a bootstrap", _DESIGN, _KEYS),
        ("P5", "a second bootstrap with other ids re-points the active keys", _DESIGN, _KEYS),
        ("P6", "a second bootstrap with other bytes overwrites the keys", _DESIGN, _KEYS),
        ("P7", "the sidecar's flag is written before the proposer's row", _DESIGN, _KEYS),
        ("P9", "a node refuses to start after every ordinary restart", _DESIGN, _STARTUP),
        ("P11", "a stale key is looked for before an active cutover", _DESIGN, _CUTOVER),
        ("P12", "a new leader proposes cleartext behind the cutover", _DESIGN, _CUTOVER),
        ("P13", "values of another group stay cleartext", _DESIGN, _CUTOVER),
        ("P22", "an ordinary restart is refused because its epoch is equal", _DESIGN, _STARTUP),
        ("P23", "a rollback in the part of the log not replayed yet is missed", _DESIGN, _STARTUP),
        ("P26", "a nonce counter wraps to zero", _DESIGN, _CUTOVER),
        ("P27-P33", "writes before, behind or beside the node's own registration", _DESIGN, _STARTUP),
        ("P37-P39", "proposals slip past the barrier of a cutover", _DESIGN, _CUTOVER),
        ("P45", "the clock's ceiling falls after a skipped restore", _DESIGN, "client timestamps that hang on the ceiling"),
        ("HZ-2b", "a bootstrap's rows are replayed over newer epochs", _DESIGN, _KEYS),
        ("HZ-3", "a replayed bootstrap resets the local epoch", _DESIGN, _KEYS),
        ("HZ-4", "a restore from an older snapshot loses the proposer's row", _DESIGN, _CUTOVER),
        ("HZ-6", "replayed rotations make the old key active for a while", _DESIGN, _KEYS),
        ("HZ-9", "a rotation switches keys, then halts at its row", _DESIGN, _KEYS),
        ("HZ-10", "a node without its own row cannot come back to get one", _DESIGN, _STARTUP),
        ("HZ-11", "a store swap is looked at before it is repaired", _DESIGN, _STARTUP),
        ("HZ-12", "a snapshot covers a bootstrap that its receiver never saw", _DESIGN, _KEYS),
        ("HZ-18", "epochs in a bootstrap are the operator's guess", _DESIGN, _KEYS),
        ("HZ-23", "a store's failure on a follower becomes a response that nobody reads", _DESIGN, "stores here are fenced by their first failure, so no later batch can hide it"),
        ("R-A10", "the commit index is durable before the log", "PySyncObj #197; TiKV #4560", "commit index and log are records of one file here, in order"),
        ("R-B5", "a compaction's end is forgotten and the revision falls", "etcd #17780, #16693", "the store keeps no versions to compact"),
        ("R-C5", "a second incoming snapshot removes the file of the first", "etcd #18055, #20133", "one install at a time here, within one step"),
        ("R-C9", "a file is swapped under a snapshot's reader", "etcd #20271", "the store is never rewritten in place"),
        ("R-C10", "a snapshot is loaded without looking at its checksum", "NATS #7556", "judges that convict a node for what it made of files damaged by hand"),
        ("P48", "an error at reading a snapshot is taken for its absence", _DESIGN, "disks that fail while a node starts"),
        ("R-D2", "a follower commits up to the end of its own log, matched or not", "PySyncObj #166", "a schedule: planted, it was not found in 60 seeds of kills with partitions nor in 30 of each alone"),
        ("R-E1", "a new leader changes its membership before it has committed in its term", "Ongaro, raft-dev 2015; Maelstrom PR #101", "a schedule: planted, it was not found in 120 seeds of membership changes"),
        ("R-E2", "a change is begun while the one before is not committed", "Raft thesis 4.1", "a schedule: planted, it was not found in 120 seeds of membership changes"),
        ("R-D6", "an append that conflicts with a committed entry is taken in", "redisraft #53", "a missing assertion: it shows only together with another bug"),
        ("R-D16", "a timeout is told as a definite failure", "jepsen #596", "a mistake of clients, not of nodes: tests/unit judge the client"),
        ("R-E3", "a node comes back under its name with an empty log", "RethinkDB 2.2.3 (Jepsen 2016)", "outside the fault model: names are never used twice here"),
        ("R-F3", "a write lands in the wrong place", "TigerBeetle's fault model", "disks that misdirect writes"),
        ("R-F4", "a full pipe of log lines blocks the node", "etcd #22214", "real processes: their lines go to files"),
        ("R-F5", "a late answer ends a paused process", "etcd #14891", "real processes with a client library between nodes"),
    )
)  # fmt: skip
