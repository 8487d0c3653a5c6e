"""What can go wrong with a world itself, apart from what happens to nodes in it."""

from __future__ import annotations

__all__ = ["WorldFailed"]


class WorldFailed(Exception):
    """The place where the cluster runs could not do its part: nothing is known about the system under test.

    The text names the node and ends with the tail of its log where there is one.
    """
