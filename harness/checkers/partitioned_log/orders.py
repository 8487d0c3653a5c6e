"""The order of each key's messages, put together from the offsets that sends and polls reported.

Offsets may have gaps (transactions take offsets for themselves), so an order counts *places*: the offsets that were seen, numbered.
An offset at which two messages were seen is inconsistent; its place holds the first that was seen there. A message at two offsets
is a duplicate and stands at the first of them.

A send counts when it took effect: it ended ok, or crashed and some message of the same operation was polled by one that ended ok.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from harness.checkers.partitioned_log.messages import LogOperation, Message

__all__ = ["Log", "Order", "log_of"]


class Order(msgspec.Struct, frozen=True):
    """The order of one key: at each place an offset and what was seen there first; and for each message its first and last place.

    `contested` holds of the places at which several messages were seen all of them.
    """

    offsets: list[int]
    seen: list[Any]
    contested: dict[int, list[Any]]
    first: dict[Any, int]
    last: dict[Any, int]

    def between(self, before: Any, after: Any) -> int | None:
        """How many places `after` stands behind `before`; None where one of them is not known."""
        one, other = self.first.get(before), self.first.get(after)
        return None if one is None or other is None else other - one


class Log(msgspec.Struct, frozen=True):
    """A whole history of a log. All maps are by key, then by message.

    `writers` are those that sent a message, whatever became of it; `shown` the operations that ended ok and polled it, the first.
    """

    operations: list[LogOperation]
    orders: dict[str, Order]
    writers: dict[str, dict[Any, LogOperation]]
    shown: dict[str, dict[Any, LogOperation]]

    def follow(self, key: str, before: Message, after: Message) -> bool:
        """Whether two messages stand one directly behind the other in a key, or where one of them stands is not known."""
        order = self.orders.get(key)
        return order is None or order.between(before.value, after.value) in (None, 1)

    def backwards(self, key: str, before: Message, after: Message) -> bool:
        """Whether `after` is known to stand in a key no further than `before`."""
        order = self.orders.get(key)
        places = order.between(before.value, after.value) if order else None
        return places is not None and places < 1

    def effective(self, one: LogOperation) -> bool:
        """Whether what an operation sent is known to stand in the log."""
        return _effective(one, self.shown)


def log_of(operations: Sequence[LogOperation]) -> Log:
    """Put a log together."""
    writers: dict[str, dict[Any, LogOperation]] = {}
    shown: dict[str, dict[Any, LogOperation]] = {}
    for one in operations:
        for key, messages in one.sent.items():
            of_key = writers.setdefault(key, {})
            for message in messages:
                of_key[message.value] = one
        if one.polled and one.ok:
            for key, messages in one.polled.items():
                of_key = shown.setdefault(key, {})
                for message in messages:
                    of_key.setdefault(message.value, one)
    seen: dict[str, _Seen] = {}
    for one in operations:
        for key, messages in one.polled.items():
            _see(seen, key, messages)
        if one.sent and _effective(one, shown):
            for key, messages in one.sent.items():
                _see(seen, key, messages)
    orders = {key: _order(places) for key, places in seen.items()}
    return Log(list(operations), orders, writers, shown)


def _effective(one: LogOperation, shown: dict[str, dict[Any, LogOperation]]) -> bool:
    if one.operation.type != "info":
        return one.ok
    return any(
        message.value in shown.get(key, {})
        for key, messages in one.sent.items()
        for message in messages
    )


class _Seen(msgspec.Struct):
    """What was seen at each offset of a key first; and where further messages were, all of them."""

    first: dict[int, Any] = {}
    contested: dict[int, dict[Any, None]] = {}


def _see(seen: dict[str, _Seen], key: str, messages: Sequence[Message]) -> None:
    of_key = seen.get(key)
    if of_key is None:
        of_key = seen[key] = _Seen()
    first = of_key.first
    for message in messages:
        offset, value = message.offset, message.value
        if offset < 0:
            continue
        known = first.setdefault(offset, value)
        if known is not value and known != value:
            of_key.contested.setdefault(offset, {known: None})[value] = None


def _order(seen: _Seen) -> Order:
    offsets = sorted(seen.first)
    values = [seen.first[offset] for offset in offsets]
    if not seen.contested:
        places = range(len(values))
        first = dict(zip(reversed(values), reversed(places), strict=True))
        return Order(offsets, values, {}, first, dict(zip(values, places, strict=True)))
    contested: dict[int, list[Any]] = {}
    first, last = {}, {}
    for place, offset in enumerate(offsets):
        held = list(seen.contested.get(offset, {seen.first[offset]: None}))
        if len(held) > 1:
            contested[place] = held
        for value in held:
            first.setdefault(value, place)
            last[value] = place
    return Order(offsets, values, contested, first, last)
