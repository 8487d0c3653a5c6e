"""What follows from an anomaly: the anomalies it is also one of, and the models it rules out.

The models stand in `models`; here are the relations between anomalies, with their sources, and what both amount to. All
dependencies judged here are between items, so a G-single is a G-single-item and a G2-item too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from harness.checkers.transactions.models import ALIASES
from harness.checkers.transactions.models import MODELS as _TABLE
from harness.errors import UserMistake

__all__ = [
    "ANOMALIES",
    "DEFAULT_MODEL",
    "ENDINGS",
    "MODELS",
    "RuledOut",
    "called",
    "canonical",
    "forbidden_by",
    "implied_by",
    "implied_models",
    "ruled_out",
]

DEFAULT_MODEL = "strict-serializable"

_WEAKER: Mapping[str, tuple[str, ...]] = {model.name: model.weaker for model in _TABLE}
_FORBIDS: Mapping[str, tuple[str, ...]] = {
    model.name: (*model.forbids, f"no-order-for-{model.name}") for model in _TABLE
}
"""A search that found no order of versions for a model (`version_search`) rules out that model."""

ENDINGS = ("", "-process", "-realtime")
"""What a cycle needs beyond the data, least first: a cycle of the data is one of every larger order too."""

_CYCLES: Mapping[str, tuple[str, ...]] = {
    "G0": ("G1c",),  # Adya
    "G1c": ("GSIa",),  # no order of starts agrees with a circle of dependencies
    "GSIa": (),
    "read-atomic-cycle": ("causal-cycle",),  # Biswas & Enea: more is visible
    "causal-cycle": (
        "prefix-cycle",
        "G-single",
    ),  # a G-single at best, whatever the order of versions
    "prefix-cycle": ("G-nonadjacent",),  # Cerone, Gotsman & Yang: each rw stands behind a wr
    "G-single-item": ("G-single", "G-nonadjacent-item"),
    "G-single": ("G-single-item", "GSIb", "G-nonadjacent"),  # Adya; all dependencies are of items
    "GSIb": (),
    "G-nonadjacent-item": ("G-nonadjacent", "G2-item"),
    "G-nonadjacent": ("G-nonadjacent-item", "G2"),
    "G2-item": ("G2",),  # Adya
    "G2": (),
}
"""Kind of cycle -> what it is a special case of; each is also the same with process order, and that with real time."""

_IS_ALSO: Mapping[str, tuple[str, ...]] = {
    "dirty-update": ("G1a",),  # Elle
    "future-read": ("G1c",),  # Elle: a transaction that depends on itself
    "incompatible-order": ("G1a",),  # Elle: one of the versions cannot have been committed
    "phantom": ("G1a",),  # what no committed transaction wrote
    "lost-update": ("G-cursor",),  # Berenson et al.: one of the rivals wrote behind the other
    "G-cursor": ("G-single",),  # Adya: all edges are of one key
    "G-monotonic": ("G-single",),  # Adya: the rw leaves a read behind the one that the wr enters
    "G-update": ("G2",),  # Adya
    "write-skew": ("G2-item",),  # Berenson et al.
    "monotonic-atomic-view-cycle": ("read-atomic-cycle",),  # Biswas & Enea
    **{
        name + ending: (*(other + ending for other in general), *more)
        for name, general in _CYCLES.items()
        for ending, more in zip(
            ENDINGS, ((name + "-process",), (name + "-realtime",), ()), strict=True
        )
    },
}
"""Anomaly -> what it is a special case of."""

MODELS = tuple(_WEAKER)
"""All models by their friendly names, a weaker one before each stronger one."""

ANOMALIES = tuple(
    dict.fromkeys([*(name for names in _FORBIDS.values() for name in names), *_IS_ALSO])
)
"""All anomalies that a model forbids, or that imply one that it forbids."""


GROUPS: Mapping[str, tuple[str, ...]] = {"G1": ("G1a", "G1b", "G1c")}
"""Adya's names of several anomalies together."""


class RuledOut(msgspec.Struct, frozen=True):
    """The models that anomalies rule out: the weakest ones, and those that fall with them."""

    weakest: tuple[str, ...]
    also: tuple[str, ...]


def _closure(names: Iterable[str], more: Mapping[str, tuple[str, ...]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += more.get(name, ())
    return reached


def canonical(model: str) -> str:
    """Return the name under which `model` is known here; raises `UserMistake` for an unknown one."""
    name = ALIASES.get(model, model)
    if name not in _WEAKER:
        known = ", ".join([*MODELS, *sorted(ALIASES)])
        raise UserMistake(f"there is no consistency model {model!r}; known are {known}")
    return name


def called(anomalies: Iterable[str]) -> tuple[str, ...]:
    """Return the anomalies of these names, those of a group one by one; raises `UserMistake` for an unknown name."""
    found: list[str] = []
    for name in anomalies:
        if name not in GROUPS and name not in ANOMALIES:
            known = ", ".join(
                [*GROUPS, *(one for one in ANOMALIES if not one.startswith("no-order-for-"))]
            )
            raise UserMistake(f"there is no anomaly {name!r}; known are {known}")
        found += GROUPS.get(name, (name,))
    return tuple(found)


def forbidden_by(models: Iterable[str]) -> frozenset[str]:
    """Return the anomalies that rule out at least one of `models`."""
    held = _closure(map(canonical, models), _WEAKER)
    forbidden = {name for model in held for name in _FORBIDS.get(model, ())}
    return frozenset(name for name in ANOMALIES if _closure([name], _IS_ALSO) & forbidden)


def implied_models(model: str) -> frozenset[str]:
    """Return `model` and all weaker ones, by their friendly names."""
    return frozenset(_closure([canonical(model)], _WEAKER))


def implied_by(anomalies: Iterable[str]) -> tuple[str, ...]:
    """Return what `anomalies` are special cases of, themselves left out, sorted."""
    seen = set(anomalies)
    return tuple(sorted(_closure(seen, _IS_ALSO) - seen))


def ruled_out(anomalies: Iterable[str]) -> RuledOut:
    """Return the models that cannot hold where `anomalies` were seen."""
    seen = _closure(anomalies, _IS_ALSO)
    fallen = [
        model
        for model in MODELS
        if any(seen & set(_FORBIDS.get(name, ())) for name in _closure([model], _WEAKER))
    ]
    weakest = tuple(
        model for model in fallen if not (_closure(_WEAKER[model], _WEAKER) & set(fallen))
    )
    return RuledOut(weakest, tuple(model for model in fallen if model not in weakest))
