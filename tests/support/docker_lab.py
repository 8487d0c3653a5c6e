"""What tests of the docker world share: the node image, made once, and a small world on it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cluster.node.config import NodeConfig
from cluster.worlds.docker.daemon import connect, require_host
from cluster.worlds.docker.image import node_image
from cluster.worlds.docker.world import DockerOptions, DockerWorld
from cluster.worlds.errors import WorldMissing


@cache
def image() -> str:
    """The tag of the node image; skips the test where there is none to be had."""
    try:
        require_host()
        client = connect()
        tag = node_image(client, "", print)
        client.close()
    except WorldMissing as missing:
        pytest.skip(f"{missing}: it runs nodes in containers")
    return tag


def world(
    directory: Path, config: NodeConfig, nodes: Sequence[str] = (), **options: Any
) -> DockerWorld:
    """A docker world of `nodes`; where none are named, of those in `config`."""
    return DockerWorld(
        nodes or config.peers,
        directory=directory,
        config=config,
        options=DockerOptions(image=image(), **options),
    )
