"""From the evidence of the checkers to cards: what is wrong, where, and what happened around it.

A card needs nothing of a piece of evidence but ``what``; every other field adds to it. The surroundings are
events of the same node close in time, everything any node did with the same entry, and the operations the
evidence names: enough to see the story without opening a log.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from cluster.trace import Appended, Applied, Armed, Committed, Event, Fault, Halted, HitPoint
from harness.operation import NEMESIS, Operation
from reports.phrases import compact, event_phrase, offset_phrase, time_phrase

__all__ = ["FINDINGS_MAX", "Card", "Context", "Line", "cards"]

FINDINGS_MAX: Final = 25
"""Cards on one page; the first ones say why, and the rest is in results.json."""

_BEFORE: Final = 7
_AFTER: Final = 3
_OF_ENTRY: Final = 10
_OPERATIONS: Final = 12

_SHOWN_FIELDS: Final = frozenset(
    {"what", "checker", "invariant", "node", "group", "index", "crash_point", "epoch_entry", "epoch_row",
     "time_ns", "times", "operations"}
)  # fmt: skip


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the surroundings. `sign` is the kind of event; `here` marks the finding's own event."""

    at_us: int
    offset: str
    who: str
    sign: str
    text: str
    here: bool


class Other(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when else the same was found."""

    node: str
    at_us: int
    at: str


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of finding, told by the first of its kind. `at_us` is -1 where the time is unknown."""

    number: int
    what: str
    checker: str
    invariant: str
    node: str
    group: int
    index: int | None
    crash_point: str
    epoch_entry: int | None
    epoch_row: int | None
    at_us: int
    at: str
    times: int
    """How often the checker saw the very same; it keeps one piece of evidence for all of them."""
    more: list[tuple[str, str]]
    others: list[Other]
    lines: list[Line]


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The run, as the cards want to look things up in it."""

    history: Sequence[Operation]
    trace: Sequence[Event]


def cards(evidence: Sequence[Mapping[str, Any]], context: Context) -> list[Card]:
    """The evidence as at most `FINDINGS_MAX` cards, one for each kind, in the order given.

    A node that dies at every start makes a finding each time: what differs in node and time only is one kind.
    """
    times = [event.at_ns for event in context.trace]
    kinds: dict[Any, list[Mapping[str, Any]]] = {}
    for found in evidence:
        kinds.setdefault(_kind(found), []).append(found)
    return [
        _card(number, alike, context, times)
        for number, alike in enumerate(list(kinds.values())[:FINDINGS_MAX], 1)
    ]


def _kind(found: Mapping[str, Any]) -> tuple[Any, ...]:
    """What findings of one kind have in common; without an entry only the very same words are alike."""
    if found.get("index") is None:
        return (found.get("checker"), found.get("what"))
    names = ("checker", "invariant", "group", "index", "epoch_entry", "epoch_row")
    return tuple(found.get(name) for name in names)


def _card(
    number: int, alike: Sequence[Mapping[str, Any]], context: Context, times: list[int]
) -> Card:
    found = alike[0]
    operations = _operations(found.get("operations") or [], context.history)
    at_ns = _time(found, operations)
    lines = [_operation_line(operation, at_ns) for operation in operations]
    if at_ns >= 0:
        lines += _event_lines(found, at_ns, context.trace, times)
    more = [(name.replace("_", " "), compact(value)) for name, value in found.items()
            if name not in _SHOWN_FIELDS and value not in ("", None, [], {})]  # fmt: skip
    return Card(
        number=number,
        what=str(found.get("what", "no description")),
        checker=str(found.get("checker", "")),
        invariant=str(found.get("invariant", "")),
        node=str(found.get("node", "")),
        group=int(found.get("group") or 0),
        index=found.get("index"),
        crash_point=str(found.get("crash_point") or ""),
        epoch_entry=found.get("epoch_entry"),
        epoch_row=found.get("epoch_row"),
        at_us=at_ns // 1000 if at_ns >= 0 else -1,
        at=time_phrase(at_ns),
        times=int(found.get("times") or 1),
        more=more,
        others=[_other(one) for one in alike[1:]],
        lines=sorted(lines, key=lambda line: line.at_us),
    )


def _other(found: Mapping[str, Any]) -> Other:
    at_ns = _time(found, ())
    return Other(node=str(found.get("node", "")), at_us=at_ns // 1000, at=time_phrase(at_ns))


def _operations(named: Sequence[Any], history: Sequence[Operation]) -> list[Operation]:
    """Operations that evidence names: by index, as the plain dicts that results.json keeps, or as transactions with indexes."""
    found: list[Operation] = []
    for name in named[:_OPERATIONS]:
        if isinstance(name, Operation):
            found.append(name)
        elif isinstance(name, Mapping) and "f" in name:
            found.append(msgspec.convert(name, Operation))
        elif isinstance(name, Mapping):
            places = [name.get("invoked_index"), name.get("completed_index")]
            found += [
                history[one] for one in places if isinstance(one, int) and 0 <= one < len(history)
            ]
        elif isinstance(name, int) and 0 <= name < len(history):
            found.append(history[name])
    return found


def _time(found: Mapping[str, Any], operations: Sequence[Operation]) -> int:
    at_ns = found.get("time_ns")
    if isinstance(at_ns, int):
        return at_ns
    return max((operation.time_ns for operation in operations), default=-1)


def _operation_line(operation: Operation, at_ns: int) -> Line:
    text = f"{operation.type} {operation.f} {compact(operation.value)}".rstrip()
    if operation.error:
        text += f" ({operation.error})"
    if operation.node:
        text += f" at {operation.node}"
    who = "nemesis" if operation.process == NEMESIS else f"client {operation.process}"
    return Line(
        at_us=operation.time_ns // 1000,
        offset=offset_phrase(operation.time_ns - at_ns),
        who=who,
        sign=operation.type,
        text=text,
        here=False,
    )


def _event_lines(
    found: Mapping[str, Any], at_ns: int, trace: Sequence[Event], times: list[int]
) -> list[Line]:
    """Events around `at_ns`: of the finding's node, and of anybody about the finding's entry."""
    node, index = found.get("node"), found.get("index")
    group = found.get("group") or 0
    middle = bisect_left(times, at_ns)
    chosen: dict[int, Event] = {}
    wanted = (place for place in range(middle - 1, -1, -1) if _tells(trace[place], node, index))
    for place, _ in zip(wanted, range(_BEFORE), strict=False):
        chosen[place] = trace[place]
    wanted = (place for place in range(middle, len(trace)) if _tells(trace[place], node, index))
    for place, _ in zip(wanted, range(_AFTER + 1), strict=False):
        chosen[place] = trace[place]
    if index:
        of_entry = [place for place, event in enumerate(trace) if _about(event, group, index)]
        nearest = sorted(of_entry, key=lambda place: abs(times[place] - at_ns))[:_OF_ENTRY]
        chosen.update((place, trace[place]) for place in nearest)
    return [
        Line(
            at_us=event.at_ns // 1000,
            offset=offset_phrase(event.at_ns - at_ns),
            who=event.node,
            sign=str(type(event).__struct_config__.tag),
            text=event_phrase(event),
            here=event.at_ns == at_ns and event.node == node and _about_or_any(event, index),
        )
        for _, event in sorted(chosen.items())
    ]


def _tells(event: Event, node: Any, index: Any) -> bool:
    """Whether an event of the neighbourhood is worth a line: routine of other entries is not."""
    if isinstance(event, Fault):
        return True
    if node is not None and event.node != node:
        return False
    if isinstance(event, (Committed, Armed)):
        return False
    if isinstance(event, (Appended, Applied)):
        return index is None or _about_or_any(event, index)
    return True


def _about(event: Event, group: int, index: int) -> bool:
    """Whether the event decides something about the entry at `index`."""
    if event.group != group:
        return False
    if isinstance(event, (Applied, Halted, HitPoint)):
        return event.index == index
    return isinstance(event, Appended) and any(entry[0] == index for entry in event.entries)


def _about_or_any(event: Event, index: Any) -> bool:
    return index is None or _about(event, event.group, index)
