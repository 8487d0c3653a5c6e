"""What the trigger of a fault may name, beyond its words: nodes that exist, and crash points that every passing of which can be told.

The words themselves were checked where the scenario was read (`harness.scenario`); here is what only the cluster knows.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from cluster.node.crash_points import CATALOGUE, FAILURE_POINTS
from harness.errors import UserMistake
from harness.scenario import THERE, FaultEntry, OnEvent
from harness.triggers import ROLES, Trigger, chain_of

__all__ = ["check_moment", "points_of"]

_ONLY_STRUCK = FAILURE_POINTS | {"wal.torn_tail"}
"""Points that are no place in the code: they stand for what an order that is armed there does."""

WATCHABLE = tuple(point for point in CATALOGUE if point not in _ONLY_STRUCK)


def check_moment(fault: FaultEntry, nodes: Sequence[str]) -> None:
    """Raise UserMistake when the moment of `fault` can never come in a cluster of `nodes`, or says nothing of a node."""
    if not isinstance(fault.when, OnEvent):
        if THERE in fault.targets:
            raise UserMistake(f"{fault.f}: target {THERE!r} needs a moment of kind 'event'")
        return
    for one in chain_of(fault.when):
        if one.on:
            _check_word(f"{one.event}: on", one.on, [*nodes, *ROLES])
        if one.point:
            points = WATCHABLE if one.event == "point" else tuple(CATALOGUE)
            _check_word(f"{one.event}: point", one.point, points)
    if THERE in fault.targets and fault.when.event in ("fault", "operation"):
        raise UserMistake(
            f"{fault.f}: target {THERE!r}: the event {fault.when.event!r} happens at no node for certain"
        )


def points_of(triggers: Sequence[Trigger]) -> tuple[str, ...]:
    """Return the crash points that nodes must watch for `triggers`, in the order of the catalogue."""
    named = {one.point for trigger in triggers for one in chain_of(trigger) if one.event == "point"}
    return tuple(point for point in CATALOGUE if point in named)


def _check_word(what: str, word: str, allowed: Collection[str]) -> None:
    if word not in allowed:
        near = difflib.get_close_matches(word, allowed, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UserMistake(f"{what} {word!r} is unknown; {hint}allowed: {', '.join(allowed)}")
