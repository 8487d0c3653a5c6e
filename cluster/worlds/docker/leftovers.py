"""Whose a container or network is, and the removal of what dead harnesses left. Nothing without our label is touched.

Everything that a run makes carries the label of its harness: the boot of the machine, the namespace of process ids, the
process id and when that process started, because ids come back. A label of another namespace says nothing about its
harness, which may live: it is left alone.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.worlds.local.leftovers import start_ticks

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.networks import Network

__all__ = ["HARNESS", "RUN", "is_dead", "labels", "remove_leftovers", "remove_run", "this_harness"]

_TRIES = 5
_TRY_AGAIN_S = 0.1

HARNESS = "reprise.harness"
RUN = "reprise.run"


def labels(run: str) -> dict[str, str]:
    """The labels of what the run `run` of this process makes."""
    return {HARNESS: this_harness(), RUN: run}


def this_harness() -> str:
    """This process, as it stands in labels."""
    return f"{_boot()} {_namespace()} {os.getpid()} {start_ticks(os.getpid())}"


def is_dead(harness: str) -> bool:
    """Whether the process that a label names is certainly gone."""
    boot, namespace, pid, started = harness.split(" ")
    if boot != _boot():
        return True
    return namespace == _namespace() and start_ticks(int(pid)) != int(started)


def remove_leftovers(client: DockerClient) -> list[str]:
    """Remove the containers and networks of dead harnesses; returns their names."""
    runs = {
        thing.attrs["Labels"][RUN]
        for thing in client.containers.list(all=True, filters={"label": HARNESS}, sparse=True)
        if is_dead(thing.attrs["Labels"][HARNESS])
    }
    runs |= {
        network.attrs["Labels"][RUN]
        for network in client.networks.list(filters={"label": HARNESS})
        if is_dead(network.attrs["Labels"][HARNESS])
    }
    return [name for run in sorted(runs) for name in remove_run(client, run)]


def remove_run(client: DockerClient, run: str) -> list[str]:
    """Remove what carries the label of `run`, dead or alive; returns the names. What is gone already is no mistake."""
    mine: dict[str, str | list[str] | bool] = {"label": f"{RUN}={run}"}
    containers = client.containers.list(all=True, filters=mine, sparse=True)
    with ThreadPoolExecutor(max_workers=max(1, len(containers))) as pool:
        list(pool.map(_remove_container, containers))
    networks = [one for one in client.networks.list(filters=mine) if _remove_network(one)]
    names = [str(one.attrs["Names"][0]).removeprefix("/") for one in containers]
    return [*names, *(str(one.name) for one in networks)]


def _remove_network(network: Network) -> bool:
    """Remove it; whether that is done. A daemon that still counts an end of a container that is gone keeps it, for some
    moments or until it is started anew: nobody uses it, and the next start tries again.
    """
    from docker.errors import APIError, NotFound  # noqa: PLC0415 - an extra

    for _ in range(_TRIES):
        try:
            network.remove()
        except NotFound:
            return False
        except APIError as error:
            if "has active endpoints" not in str(error.explanation):
                raise
            time.sleep(_TRY_AGAIN_S)
        else:
            return True
    return False


def _remove_container(container: Container) -> None:
    from docker.errors import APIError, NotFound  # noqa: PLC0415 - an extra

    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if "already in progress" not in str(error.explanation):
            raise


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink())
