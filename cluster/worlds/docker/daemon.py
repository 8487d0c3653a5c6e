"""The Docker daemon: reached or not, and what else this machine must have for the world `docker`.

Faults come from the host: signals to the processes of containers, rules for the packets between them. So the harness must
be root on the machine whose daemon it speaks to. What is missing is said in one line, with what to do about it, before
anything is started.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.worlds.errors import WorldMissing

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["connect", "require_host"]

_SOCKET = "unix:///var/run/docker.sock"
_CONNECTIONS_MAX = 32
"""Calls that may be open at once: a few for each node."""


def connect() -> DockerClient:
    """Return a client of this machine's daemon. Raises WorldMissing."""
    try:
        import docker  # noqa: PLC0415 - an extra: who runs in simulation need not have it
        from docker.errors import DockerException  # noqa: PLC0415
    except ImportError:
        raise WorldMissing(
            "the Python package docker is missing", "pip install 'reprise-harness[worlds]'"
        ) from None
    url = os.environ.get("DOCKER_HOST", _SOCKET)
    if not url.startswith("unix://"):
        raise WorldMissing(
            f"DOCKER_HOST is {url}, another machine's daemon; nodes are killed and cut off from this one",
            "unset DOCKER_HOST",
        )
    try:
        client = docker.DockerClient(base_url=url, max_pool_size=_CONNECTIONS_MAX)
        client.ping()
    except DockerException as error:
        raise WorldMissing(*_why_not(Path(url.removeprefix("unix://")), error)) from None
    return client


def require_host() -> None:
    """Raise WorldMissing unless faults can be made from here: as root, and with nft."""
    if os.geteuid() != 0:
        raise WorldMissing(
            "only root may signal the processes of containers and drop packets between them",
            "sudo ./reprise ...",
        )
    if shutil.which("nft") is None:
        raise WorldMissing("nft is missing: it cuts links", "apt-get install -y nftables")


def _why_not(socket: Path, error: Exception) -> tuple[str, str]:
    """Why the daemon cannot be reached, and what to do."""
    if shutil.which("dockerd") is None and not socket.exists():
        return "Docker is not installed", "apt-get install -y docker.io"
    if socket.exists() and not os.access(socket, os.R_OK | os.W_OK):
        return f"{socket} may not be used by this user", "sudo ./reprise ..."
    text = " ".join(str(error).split())
    return f"the Docker daemon does not answer on {socket}: {text}", "systemctl start docker"
