"""The matrix of links in the kernel: one nft table of ours, swapped as a whole. The thin edge of `links`.

Counters begin at zero with every swap; what they said is added up here first. The packets of the moment between reading
and swapping are dropped uncounted.
"""

from __future__ import annotations

from cluster.worlds.host.links import Drops, Family, Matrix, read_drops, render
from cluster.worlds.host.programs import Runner
from cluster.worlds.host.repairs import Change

__all__ = ["LinksTable"]


class LinksTable:
    """One table called `name` (letters, digits and ``_``) at the place where `run` runs."""

    def __init__(self, name: str, run: Runner, *, family: Family = "bridge") -> None:
        self._name = name
        self._family: Family = family
        self._run = run
        self._matrix: Matrix | None = None
        self._earlier = Drops()

    def change(self, namespace: str = "") -> Change:
        """What to record before the first `apply`, where the table lies in `namespace` of this host."""
        return Change("nft-table", f"{self._family} {self._name}", namespace)

    def apply(self, matrix: Matrix) -> None:
        """Let `matrix` hold from now on, in place of what held before. Raises WorldFailed; then nothing has changed."""
        self._earlier = self.drops()
        self._run(["nft", "-f", "-"], render(matrix, self._name, self._family))
        self._matrix = matrix

    def drops(self) -> Drops:
        """Return what was dropped since the first `apply`."""
        if self._matrix is None or self._matrix.is_empty():
            return self._earlier
        listing = self._run(["nft", "-j", "list", "table", self._family, self._name])
        return self._earlier + read_drops(listing, self._matrix)

    def forget(self) -> None:
        """Keep the counts of a table that is about to be removed."""
        self._earlier = self.drops()
        self._matrix = None
