"""Causal consistency of registers, and what single sessions are promised.

A session is the operations of one process, in order. Every value of a register is written once, so a read says which write it saw:
what came before what follows from the sessions and from that alone, without clocks.

Rooms:

* `accesses`   a history of reads and writes -> accesses, each read with the write that it saw;
* `clocks`     what is in the causal past of each access, as vector clocks over the sessions that write;
* `patterns`   the bad patterns of Bouajjani et al. (POPL 2017): causal consistency and causal convergence;
* `memory`     the two patterns more that causal memory forbids;
* `consistency` the checker of all three;
* `guarantees` the four session guarantees of Terry et al. (1994), key by key, from unique values;
* `versions`   the same four where the client reports version numbers.
"""
