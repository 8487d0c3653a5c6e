"""Moments that are keyed to events: "the 2nd `snap.renamed` on a follower after the leader changed".

    when = { kind = "event", event = "point", point = "snap.renamed", nth = 2, on = "follower", after = { event = "leader-changed" } }

A `Trigger` names a kind of event, narrows it down, counts, and may begin to count only when another trigger has come about.
A `Lookout` is told everything that happens, in order, and says which triggers came about, and on which node. It is pure: the
same events give the same answer in every world. What a node's role is, and who led last, it knows from the events alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from cluster.trace import (
    Applied,
    Event,
    Fault,
    Halted,
    HitPoint,
    Installed,
    Passed,
    Reconfigured,
    RoleChanged,
    SnapshotTaken,
    Started,
    Stopped,
)
from harness.generator.schedule import TOLD
from harness.operation import Kind, Operation

__all__ = ["EVENTS", "ROLES", "Lookout", "Trigger", "chain_of", "narrowed", "told"]

ROLES: Final = ("leader", "follower", "candidate", "pre_candidate")
DECISIONS: Final = (
    "noop_entry", "configuration", "kv", "lease", "rejected", "insert", "advance", "noop", "noop_older", "keys", "halt"
)  # fmt: skip


class Trigger(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The `nth` event of a kind (see `EVENTS`), counted from the moment at which `after` came about, or the run began.

    `on` is a node or a role: where it happens. The other fields narrow down kinds that have them; ``""`` is any.
    """

    event: str
    nth: Annotated[int, msgspec.Meta(ge=1)] = 1
    on: str = ""
    point: str = ""
    action: str = ""
    role: str = ""
    cause: str = ""
    decision: str = ""
    f: str = ""
    type: Kind = "ok"
    after: Trigger | None = None


class _Kind(msgspec.Struct, frozen=True):
    """`fields` are those of `Trigger` that narrow it down, with what they may say (nothing: anything).

    `needed` is the one that must be there, or ``""``.
    """

    matches: Callable[[Any], bool]
    fields: Mapping[str, tuple[str, ...]] = {}
    needed: str = ""


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda event: type(event) in kinds


EVENTS: Final[dict[str, _Kind]] = {
    "point": _Kind(_is(Passed), {"point": ()}, "point"),
    "struck": _Kind(_is(HitPoint), {"point": (), "action": ("kill", "power", "stall", "error")}),
    "role": _Kind(_is(RoleChanged), {"role": ROLES}, "role"),
    "leader-changed": _Kind(lambda _event: False),  # known by comparing: see `Lookout`
    "restarted": _Kind(lambda event: type(event) is Started and event.incarnation > 1),
    "stopped": _Kind(_is(Stopped), {"cause": ("kill", "power", "halt", "error", "stop")}),
    "halted": _Kind(_is(Halted)),
    "snapshot": _Kind(_is(SnapshotTaken)),
    "installed": _Kind(_is(Installed)),
    "applied": _Kind(_is(Applied), {"decision": DECISIONS}),
    "reconfigured": _Kind(_is(Reconfigured)),
    "fault": _Kind(_is(Fault), {"action": ()}),
    "operation": _Kind(_is(Operation), {"f": (), "type": ()}, "f"),
}
"""The kinds of events: a crash point passed or struck, a role taken, another leader than the last one, a node started again or
gone, a halt, a snapshot taken or installed, an entry applied, a configuration in force, a fault of the world, an operation.
"""


class _Watch:
    """One trigger on its way: the chain from the first condition to the last, and how much of it is left."""

    def __init__(self, number: int, trigger: Trigger) -> None:
        self.number = number
        self._chain = chain_of(trigger)
        self._left = self._chain[-1].nth

    def see(self, event: Any, *, changed: bool, role: str) -> bool:
        """Whether the whole chain came about with this event."""
        if not _matches(self._chain[-1], event, changed=changed, role=role):
            return False
        self._left -= 1
        if self._left:
            return False
        self._chain.pop()
        if not self._chain:
            return True
        self._left = self._chain[-1].nth
        return False


class Lookout:
    """See the module. `watching`: whether any trigger is still to come."""

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        self._watches = [_Watch(number, trigger) for number, trigger in enumerate(triggers)]
        self._roles: dict[str, str] = {}
        self._leader = ""

    @property
    def watching(self) -> bool:
        """See the class."""
        return bool(self._watches)

    def see(self, event: Event | Operation) -> list[tuple[int, str]]:
        """Take one more event in; return the triggers that came about with it: number, and the node of the event."""
        changed = self._know(event)
        role = self._roles.get(event.node, "follower")
        came = [one.number for one in self._watches if one.see(event, changed=changed, role=role)]
        self._watches = [one for one in self._watches if one.number not in came]
        return [(number, event.node) for number in came]

    def _know(self, event: Event | Operation) -> bool:
        """Remember roles; whether another node leads than the last that did. The first leader is no change."""
        if type(event) is RoleChanged:
            self._roles[event.node] = event.role
            if event.role == "leader":
                before, self._leader = self._leader, event.node
                return before not in ("", event.node)
        elif type(event) is Started:
            self._roles.pop(event.node, None)
        return False


def _matches(trigger: Trigger, event: Any, *, changed: bool, role: str) -> bool:
    if trigger.event == "leader-changed":
        happened = changed
    else:
        happened = EVENTS[trigger.event].matches(event)
    return (
        happened
        and trigger.on in ("", event.node, getattr(event, "role", role))
        and all(
            getattr(trigger, field) in ("", getattr(event, field))
            for field in EVENTS[trigger.event].fields
        )
    )


def told(number: int) -> str:
    """The `f` of the event by which a generator is told that trigger `number` came about; no operation is called so."""
    return f"{TOLD}{number}"


def narrowed(trigger: Trigger) -> Mapping[str, Any]:
    """Return the fields of `trigger` that narrow its kind down, as far as they are given."""
    defaults = dict(zip(Trigger.__struct_fields__[1:], Trigger.__struct_defaults__, strict=True))
    given = {
        name: getattr(trigger, name) for name in defaults if name not in ("nth", "on", "after")
    }
    return {name: value for name, value in given.items() if value != defaults[name]}


def chain_of(trigger: Trigger) -> list[Trigger]:
    """Return `trigger` and what it comes after, the last condition first."""
    chain = [trigger]
    while chain[-1].after is not None:
        chain.append(chain[-1].after)
    return chain
