"""A file system in user space that loses its power: for any program, in any world on this host.

A daemon serves a directory (SOURCE) at a mount point (MOUNT) and remembers, for everything that was not
synced, what stood there before. A power loss takes it back, by the rules of `cluster.storage.power_loss`
that the simulated disk follows too.

=================  =================================================================================
`unsynced_names`   pure: which changes of directories are durable, which a power loss may take
`unsynced_bytes`   pure: the same for what stands in files
`device`           pure: faults of the device on command (EIO, ENOSPC, short writes, slow fsyncs)
`recorder`         pure: the ledger of writes, syncs, renames and marks, in one order
`backing`          the real files: what is visible, what waits to come back, and the rollback
`volume`           what each operation of a file system means, without FUSE
`operations`       the shell that FUSE calls
`messages`         what harness and daemon say to each other
`control`          the daemon's end of it
`power_disk`       the harness's end: start, lose power, break, heal, stop; stale mounts
`__main__`         the daemon's command line
=================  =================================================================================

An fsync is not passed down to SOURCE's own disk: the daemon simulates the machine's power, it does not
survive the loss of it.
"""
