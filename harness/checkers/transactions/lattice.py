"""Consistency models: which implies which, which anomaly rules out which, and under which names they go.

Sources: Adya, *Weak Consistency* (1999); Adya, Liskov & O'Neil, *Generalized Isolation Level Definitions* (2000); Bailis et
al., *Highly Available Transactions* (2013); Cerone, Bernardi & Gotsman (2015); Cerone & Gotsman, *Analysing Snapshot
Isolation* (2018); Daudjee & Salem (2006). The names and most of the relations are those that Elle uses. All dependencies
judged here are between items, so a G-single is a G2-item too (Elle leaves that open).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from harness.errors import UserMistake

__all__ = [
    "ANOMALIES",
    "DEFAULT_MODEL",
    "MODELS",
    "RuledOut",
    "canonical",
    "forbidden_by",
    "ruled_out",
]

DEFAULT_MODEL = "strict-serializable"

_ALIASES = {
    "PL-1": "read-uncommitted",
    "PL-2": "read-committed",
    "PL-2+": "consistent-view",
    "PL-2.99": "repeatable-read",
    "PL-2L": "monotonic-view",
    "PL-3": "serializable",
    "PL-3U": "update-serializable",
    "PL-CS": "cursor-stability",
    "PL-FCV": "forward-consistent-view",
    "PL-MSR": "monotonic-snapshot-read",
    "PL-SI": "snapshot-isolation",
    "PL-SS": "strict-serializable",
    "conflict-serializable": "serializable",
    "strong-PL-1": "strong-read-uncommitted",
    "strong-PL-2": "strong-read-committed",
    "strong-serializable": "strict-serializable",
    "strong-session-PL-1": "strong-session-read-uncommitted",
    "strong-session-PL-2": "strong-session-read-committed",
}

_WEAKER: Mapping[str, tuple[str, ...]] = {
    "read-uncommitted": (),
    "read-committed": ("read-uncommitted",),
    "monotonic-view": ("read-committed",),
    "monotonic-snapshot-read": ("read-committed",),
    "monotonic-atomic-view": ("read-committed",),
    "cursor-stability": ("read-committed",),
    "consistent-view": ("cursor-stability", "monotonic-view"),
    "forward-consistent-view": ("consistent-view",),
    "read-atomic": ("monotonic-atomic-view",),
    "causal-cerone": ("read-atomic",),
    "prefix": ("causal-cerone",),
    "parallel-snapshot-isolation": ("causal-cerone",),
    "repeatable-read": ("cursor-stability", "monotonic-atomic-view"),
    "snapshot-isolation": (
        "forward-consistent-view",
        "monotonic-atomic-view",
        "monotonic-snapshot-read",
        "parallel-snapshot-isolation",
        "prefix",
    ),
    "update-serializable": ("forward-consistent-view",),
    "serializable": ("repeatable-read", "snapshot-isolation", "update-serializable"),
    "strong-session-read-uncommitted": ("read-uncommitted",),
    "strong-session-read-committed": ("read-committed", "strong-session-read-uncommitted"),
    "strong-session-snapshot-isolation": ("snapshot-isolation", "strong-session-read-committed"),
    "strong-session-serializable": ("serializable", "strong-session-snapshot-isolation"),
    "strong-read-uncommitted": ("strong-session-read-uncommitted",),
    "strong-read-committed": ("strong-session-read-committed", "strong-read-uncommitted"),
    "strong-snapshot-isolation": (
        "strong-session-snapshot-isolation",
        "strong-read-committed",
    ),
    "strict-serializable": ("strong-session-serializable", "strong-snapshot-isolation"),
}
"""Model -> the models next below it; a model stands behind those it implies, so the order is weakest first."""

_FORBIDS: Mapping[str, tuple[str, ...]] = {
    "read-uncommitted": ("G0", "duplicate-elements", "cyclic-versions"),
    "read-committed": ("G1a", "G1b", "G1c"),
    "cursor-stability": ("G-cursor", "lost-update"),
    "consistent-view": ("G-single",),
    "forward-consistent-view": ("GSIb",),
    "monotonic-atomic-view": ("monotonic-atomic-view-cycle",),
    "read-atomic": ("internal", "future-read", "read-atomic-cycle"),
    "repeatable-read": ("G2-item", "internal"),
    "snapshot-isolation": ("GSIa", "GSIb", "G-nonadjacent"),
    "serializable": ("G2", "write-skew"),
    "strong-session-read-uncommitted": ("G0-process",),
    "strong-session-read-committed": ("G1c-process",),
    "strong-session-snapshot-isolation": ("G-nonadjacent-process", "causal-cycle-process"),
    "strong-session-serializable": ("G2-process",),
    "strong-read-uncommitted": ("G0-realtime",),
    "strong-read-committed": ("G1c-realtime",),
    "strong-snapshot-isolation": ("G-nonadjacent-realtime",),
    "strict-serializable": ("G2-realtime",),
}
"""Model -> the anomalies it forbids beyond those that weaker models forbid."""

_IS_ALSO: dict[str, tuple[str, ...]] = {
    "dirty-update": ("G1a",),
    "future-read": ("G1c",),
    "incompatible-order": ("G1a",),
    "phantom": ("G1a",),
    "lost-update": ("G-single",),
    "monotonic-atomic-view-cycle": ("read-atomic-cycle",),
    "read-atomic-cycle": ("causal-cycle-process",),
    "write-skew": ("G2",),
    "G-cursor": ("G-single",),
}
"""Anomaly -> what it is a special case of; the cycles follow below."""

for _class, _general in {
    "G0": ("G1c",),
    "G1c": (),
    "G-single-item": ("G-single", "G-nonadjacent-item"),
    "G-single": ("G-nonadjacent",),
    "G-nonadjacent-item": ("G-nonadjacent",),
    "G-nonadjacent": ("G2-item",),
    "G2-item": ("G2",),
    "G2": (),
}.items():
    for _ending, _more in (("", "-process"), ("-process", "-realtime"), ("-realtime", "")):
        _IS_ALSO[_class + _ending] = (
            *(name + _ending for name in _general),
            *((_class + _more,) if _more else ()),
        )
_IS_ALSO["G-single"] += ("GSIb",)

MODELS = tuple(_WEAKER)
"""All models by their friendly names, a weaker one before each stronger one."""

ANOMALIES = tuple(
    dict.fromkeys([*(name for names in _FORBIDS.values() for name in names), *_IS_ALSO])
)


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
    name = _ALIASES.get(model, model)
    if name not in _WEAKER:
        known = ", ".join([*MODELS, *sorted(_ALIASES)])
        raise UserMistake(f"there is no consistency model {model!r}; known are {known}")
    return name


def forbidden_by(models: Iterable[str]) -> frozenset[str]:
    """Return the anomalies that rule out at least one of `models`."""
    held = _closure(map(canonical, models), _WEAKER)
    forbidden = {name for model in held for name in _FORBIDS.get(model, ())}
    return frozenset(name for name in ANOMALIES if _closure([name], _IS_ALSO) & forbidden)


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
