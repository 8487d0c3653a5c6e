"""What a seeded bug is: which parts of a replica it replaces, where it comes from, and how it is found. Data only.

Beside the bugs stand those that are still *pending*: known from elsewhere, and about something that this system does not have.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.machine.parts import Parts

__all__ = ["Bug", "Pending", "Way", "bug_of"]


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario that shows a bug, as plain data: what the harness calls these fields is what they are.

    `seeds` is the budget: among so many seeds, from 0 on, one must convict it.
    """

    workload: str
    seeds: int = 20
    nemesis: tuple[str, ...] = ()
    faults: tuple[dict[str, Any], ...] = ()
    options: dict[str, Any] = {}
    nodes: int = 5
    concurrency: int = 5
    rate: float = 40.0
    time_limit_s: float = 6.0


class Bug(msgspec.Struct, frozen=True, kw_only=True):
    """One bug of the catalogue.

    `title` says in one sentence what is broken, `source` where that mistake was made or is warned of, `shows` in words what
    a run needs to meet it. `caught_by` are the checkers of which one must convict it. `replay` and `guard` are the durability of the applied
    index and the guard of registry rows that it needs. `parts` maps fields of `Parts` to the wrong factory. Without a `way` no
    scenario can show it: then it has a test of its own, which `shows` names.
    """

    id: str
    title: str
    source: str
    shows: str
    caught_by: tuple[str, ...]
    way: Way | None
    parts: dict[str, Any]
    replay: str = "any"
    guard: str = "any"

    def planted_in(self, parts: Parts) -> Parts:
        """Return `parts` with this bug planted."""
        planted: Parts = msgspec.structs.replace(parts, **self.parts)
        return planted


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A bug that cannot be planted yet; `waits_for` says what is missing."""

    id: str
    title: str
    source: str
    waits_for: str


def bug_of(
    part: Any,
    *,
    shows: str,
    caught_by: tuple[str, ...],
    way: Way | None,
    source: str = "",
    replay: str = "any",
    guard: str = "any",
    **parts: Any,
) -> Bug:
    """Return the bug that `part` is, told by its docstring: ``ID: what is broken (source).``; `source`, if given, stands for the latter."""
    bug_id, _, sentence = " ".join((part.__doc__ or "").split()).partition(": ")
    title = sentence.rstrip(".")
    if not source:
        title, _, source = title.removesuffix(")").rpartition(" (")
    return Bug(
        id=bug_id,
        title=title,
        source=source,
        shows=shows,
        caught_by=caught_by,
        way=way,
        parts=parts,
        replay=replay,
        guard=guard,
    )
