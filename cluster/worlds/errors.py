"""What can go wrong with a world itself, apart from what happens to nodes in it."""

from __future__ import annotations

__all__ = ["WorldFailed", "WorldMissing"]


class WorldFailed(Exception):
    """The place where the cluster runs could not do its part: nothing is known about the system under test.

    The text names the node and ends with the tail of its log where there is one.
    """


class WorldMissing(WorldFailed):
    """This machine lacks what a world needs; nothing was started. `remedy` is the command that helps, or empty."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy
