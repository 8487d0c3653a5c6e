"""What runs that were killed have left on this machine is undone before the next one begins, and said.

A run that ends, however it ends, undoes what it did; one whose harness was killed cannot. Its nodes' containers, its network, its rules
and queues, its mounts and processes are found by what it wrote down and by its labels, and only those of dead harnesses are touched.
"""

from __future__ import annotations

from cluster.worlds.docker.daemon import connect
from cluster.worlds.docker.leftovers import remove_leftovers
from cluster.worlds.host.power_disk.power_disk import remove_stale, unmount_stale
from cluster.worlds.host.repairs import changes_directory, repair
from cluster.worlds.local.leftovers import end_leftovers, lists_directory

__all__ = ["mend"]


def mend(*, containers: bool) -> list[str]:
    """Undo it, `containers` and their networks too; returns one line for each thing that was undone.

    Raises WorldFailed when something cannot be undone, WorldMissing for containers where no Docker answers.
    """
    undone = []
    if containers:
        client = connect()
        try:
            undone += [f"{name}: left by a dead run, removed" for name in remove_leftovers(client)]
        finally:
            client.close()
    undone += [
        f"process {pid}: left by a dead run, ended" for pid in end_leftovers(lists_directory())
    ]
    undone += repair(changes_directory())
    undone += [f"mount {place}: left by a dead run, unmounted" for place in unmount_stale()]
    undone += [f"folder {place}: left by a dead run, removed" for place in remove_stale()]
    return undone
