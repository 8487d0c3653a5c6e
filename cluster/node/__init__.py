"""One node: raft, state machine and storage put together; pure. `server` is its only impure room.

`Node` is handed time, disk, randomness, an outbox and a sink for events, and never waits. Rooms:

* `config`      what a node is told when it starts;
* `requests`    what clients, administrators and inspectors may ask, and the answers;
* `crash_points` the catalogue of named points and the probe that strikes there;
* `journal`     what raft must remember, written to the write-ahead log;
* `recovery`    the cold start: log, snapshots, store, and where to begin applying;
* `replica`     one raft group: the order of work between raft, disk, machine and outbox;
* `membership`  who belongs and who leads: what is asked and answered, and the membership file;
* `telling`     what a replica tells the trace;
* `snapshots`   taking one, and installing one that a leader sent;
* `serving`     requests of one group;
* `node`        all groups of one process;
* `server`      the asyncio shell around a node: sockets, timers, process exit.
"""
