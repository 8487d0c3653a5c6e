"""The Docker daemon: reached or not, and what else this machine must have for the world `docker`.

Faults come from the host: signals to the processes of containers, rules for the packets between them. So the harness must
be root on the machine whose daemon it speaks to. What is missing is said in one line, with what to do about it, before
anything is started.
"""

from __future__ import annotations

import os
import shutil
import socket
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
        from docker.errors import DockerException  # noqa: PLC0415 - as above
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
    place = url.removeprefix("unix://")
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(place)
        return docker.DockerClient(base_url=url, max_pool_size=_CONNECTIONS_MAX)
    except (OSError, DockerException) as error:
        raise WorldMissing(*_why_not(place, error)) from None


def require_host() -> None:
    """Raise WorldMissing unless faults can be made from here: as root, and with nft."""
    if os.geteuid() != 0:
        raise WorldMissing(
            "only root may signal the processes of containers and drop packets between them",
            "sudo ./reprise ...",
        )
    if shutil.which("nft") is None:
        raise WorldMissing("nft is missing: it cuts links", "apt-get install -y nftables")


def _why_not(place: str, error: Exception) -> tuple[str, str]:
    """Why the daemon cannot be reached at the socket `place`, and what to do."""
    if isinstance(error, PermissionError):
        return f"this user may not speak to the Docker daemon at {place}", "sudo ./reprise ..."
    if shutil.which("dockerd") is None and isinstance(error, FileNotFoundError):
        return "Docker is not installed", "apt-get install -y docker.io"
    text = " ".join(str(error).split())
    return f"the Docker daemon does not answer at {place}: {text}", "systemctl start docker"
