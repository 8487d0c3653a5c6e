"""The anomalies of a log, one function each: a log in, findings out (names and definitions of jepsen.tests.kafka).

* *inconsistent-offsets*: two messages were seen at one offset;
* *duplicate*: one message was seen at two offsets;
* *lost-write*: somebody was shown a message behind one that took effect, and nobody was ever shown that one;
* *G1a*: a message was shown whose send had failed; *precommitted-read*: a transaction polled what it sent itself;
* *G1c*: transactions were shown one another's messages in a circle; *G1c-realtime*: a message was shown before it was sent, or before
  something was that its sender had been shown;
* *int-poll-skip*, *int-nonmonotonic-poll*: one operation polled past a message, or backwards; without *int-* two operations of one
  process that follow one another, as long as the process keeps the key;
* *int-send-skip*, *int-nonmonotonic-send*: one operation's messages have others between them, or stand backwards;
  *nonmonotonic-send*: a later operation of one process sent to an earlier place;
* *unexpected*: a message was polled that nobody sent;
* *unseen*: a message took effect and was never shown, and nothing behind it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import msgspec

from harness.checkers.acyclic import ordered
from harness.checkers.paired import Paired
from harness.checkers.partitioned_log.messages import LogOperation, Message
from harness.checkers.partitioned_log.orders import Log
from harness.values import thawed

__all__ = ["ANOMALIES", "Found"]


class Found(msgspec.Struct, frozen=True):
    """One anomaly: its name, a sentence, the key, the messages and the operations that show it."""

    name: str
    what: str
    key: str
    values: list[Any]
    operations: list[Paired]


def _inconsistent_offsets(log: Log) -> Iterator[Found]:
    for key, order in log.orders.items():
        for place, seen in order.contested.items():
            values = [thawed(value) for value in seen]
            what = f"offset {order.offsets[place]} of {key} held {' and '.join(map(repr, values))}"
            known = log.writers.get(key, {})
            writers = [known[value].operation for value in seen if value in known]
            yield Found("inconsistent-offsets", what, key, values, writers)


def _duplicate(log: Log) -> Iterator[Found]:
    for key, order in log.orders.items():
        for value, last in order.last.items():
            first = order.first[value]
            if first != last:
                offsets = f"{order.offsets[first]} and {order.offsets[last]}"
                what = f"{thawed(value)!r} stands in {key} at offsets {offsets}"
                writer = log.writers.get(key, {}).get(value)
                evidence = [] if writer is None else [writer.operation]
                yield Found("duplicate", what, key, [thawed(value)], evidence)


def _lost_write(log: Log) -> Iterator[Found]:
    for key, shown in log.shown.items():
        order = log.orders.get(key)
        reached = [(order.first[v], v) for v in shown if v in order.first] if order else []
        if order is None or not reached:
            continue
        bound, furthest = max(reached, key=lambda pair: pair[0])
        for value, place in order.last.items():
            writer = log.writers.get(key, {}).get(value)
            if place > bound or value in shown or writer is None or not log.effective(writer):
                continue
            what = f"{thawed(value)!r} was sent to {key} and never shown, {thawed(furthest)!r} behind it was"
            evidence = [writer.operation, shown[furthest].operation]
            yield Found("lost-write", what, key, [thawed(value)], evidence)


def _unseen(log: Log) -> Iterator[Found]:
    for key, writers in log.writers.items():
        order, shown = log.orders.get(key), log.shown.get(key, {})
        first = order.first if order else {}
        bound = max((first[value] for value in shown if value in first), default=-1)
        for value, writer in writers.items():
            behind = order is None or value not in order.last or order.last[value] > bound
            if writer.ok and value not in shown and behind:
                what = f"{thawed(value)!r} was sent to {key}, and nobody polled that far"
                yield Found("unseen", what, key, [thawed(value)], [writer.operation])


def _shown_wrongly(log: Log) -> Iterator[Found]:
    """G1a and unexpected."""
    for key, shown in log.shown.items():
        for value, reader in shown.items():
            writer = log.writers.get(key, {}).get(value)
            if writer is None:
                what = f"{thawed(value)!r} was polled from {key}, where nobody had sent it"
                yield Found("unexpected", what, key, [thawed(value)], [reader.operation])
            elif writer.operation.type == "fail":
                what = f"{thawed(value)!r} was polled from {key}, although sending it had failed"
                evidence = [writer.operation, reader.operation]
                yield Found("G1a", what, key, [thawed(value)], evidence)


def _precommitted_read(log: Log) -> Iterator[Found]:
    for one in log.operations:
        for key, sent in one.sent.items() if one.polled else ():
            polled = {message.value for message in one.polled.get(key, ())}
            for message in sent:
                if message.value in polled:
                    value = thawed(message.value)
                    what = f"a transaction polled {value!r} from {key} while it was sending it"
                    yield Found("precommitted-read", what, key, [value], [one.operation])


def _circular(log: Log) -> Iterator[Found]:
    """G1c, from writer to reader alone, and in real time. Only who has done both can stand between others."""
    both = [one for one in log.operations if one.sent and one.polled and one.ok]
    places = {id(one): place for place, one in enumerate(both)}
    edges = {}
    for reader, one in enumerate(both):
        for key, messages in one.polled.items():
            writers = log.writers.get(key, {})
            for message in messages:
                writer = places.get(id(writers.get(message.value)), reader)
                if writer != reader:
                    edges[writer, reader] = key
    order, cycle = ordered(len(both), edges)
    if cycle:
        what = f"{len(cycle)} transactions were shown one another's messages in a circle"
        evidence = [both[place].operation for place in cycle]
        yield Found("G1c", what, edges[cycle[-1], cycle[0]], [], evidence)
        return
    latest: dict[int, LogOperation] = {}
    for place in order:
        one = both[place]
        sources = [
            log.writers.get(key, {}).get(message.value, one)
            for key, messages in one.polled.items()
            for message in messages
        ]
        known = [one, *(latest.get(id(writer), writer) for writer in sources)]
        latest[id(one)] = max(known, key=lambda operation: operation.operation.called)
    yield from _too_early(log, latest)


def _too_early(log: Log, latest: dict[int, LogOperation]) -> Iterator[Found]:
    """G1c-realtime: `latest` is, for who has sent and polled, whoever was invoked last of those whose messages led to its own."""
    sources = {
        key: {value: latest.get(id(writer), writer) for value, writer in writers.items()}
        for key, writers in log.writers.items()
    }
    called = {
        key: {value: source.operation.called for value, source in of_key.items()}
        for key, of_key in sources.items()
    }
    for one in log.operations:
        if not one.polled or not one.ok:
            continue
        returned = one.operation.returned
        for key, messages in one.polled.items():
            of_key = called.get(key, {})
            if max([of_key.get(message.value, -1) for message in messages], default=-1) < returned:
                continue
            early = [m.value for m in messages if of_key.get(m.value, -1) > returned]
            what = (
                f"{thawed(early[0])!r} was polled from {key} before it was sent, or what led to it"
            )
            evidence = [one.operation, sources[key][early[0]].operation]
            yield Found("G1c-realtime", what, key, [thawed(value) for value in early], evidence)


def _within(log: Log, word: str) -> Iterator[Found]:
    """Skips and steps backwards inside one operation."""
    for one in log.operations:
        for key, messages in (one.polled if word == "poll" else one.sent).items():
            for first, second in pairwise(messages):
                if log.follow(key, first, second):
                    continue
                yield from _step(log, f"int-{{}}{word}", key, (first, second), (one, one))


def _step(
    log: Log,
    name: str,
    key: str,
    messages: tuple[Message, Message],
    by: tuple[LogOperation, LogOperation],
) -> Iterator[Found]:
    """The finding for two messages that do not follow one another; `name` has a gap for ``nonmonotonic-``."""
    order = log.orders[key]
    delta = order.first[messages[1].value] - order.first[messages[0].value]
    values = [thawed(message.value) for message in messages]
    verb = "polled" if name.endswith("poll") else "sent"
    operations = [by[0].operation, by[1].operation] if by[0] is not by[1] else [by[0].operation]
    if delta < 1:
        what = f"{values[1]!r} was {verb} after {values[0]!r} and does not stand behind it in {key}"
        yield Found(name.format("nonmonotonic-"), what, key, values, operations)
    else:
        place = order.first[messages[0].value]
        skipped = [thawed(seen) for seen in order.seen[place + 1 : place + delta]]
        what = f"{values[0]!r} and {values[1]!r} were {verb} one after the other, and {len(skipped)} more stand between them in {key}"
        yield Found(name.format("") + "-skip", what, key, values + skipped, operations)


def _across_polls(log: Log) -> Iterator[Found]:
    """Skips and steps backwards from one operation of a process to its next that polled the key."""
    last: dict[int, dict[str, LogOperation]] = {}
    for one in log.operations:
        known = last.setdefault(one.operation.process, {})
        if one.chosen is not None:
            if one.operation.possible:
                kept = {key: before for key, before in known.items() if key in one.chosen}
                last[one.operation.process] = kept
            continue
        for key, messages in one.polled.items():
            before = known.get(key)
            if before is not None and messages:
                pair = (before.polled[key][-1], messages[0])
                if not log.follow(key, *pair):
                    yield from _step(log, "{}poll", key, pair, (before, one))
            if one.ok and messages:
                known[key] = one


def _across_sends(log: Log) -> Iterator[Found]:
    """Steps backwards from one operation of a process to its next that sent to the key."""
    last: dict[tuple[int, str], LogOperation] = {}
    for one in log.operations:
        for key, messages in one.sent.items() if one.operation.possible else ():
            before = last.get((one.operation.process, key))
            if before is not None:
                pair = (before.sent[key][-1], messages[0])
                if log.backwards(key, *pair):
                    yield from _step(log, "{}send", key, pair, (before, one))
            last[one.operation.process, key] = one


ANOMALIES: Final[tuple[Callable[[Log], Iterator[Found]], ...]] = (
    _lost_write,
    _inconsistent_offsets,
    _duplicate,
    _shown_wrongly,
    _precommitted_read,
    _circular,
    lambda log: _within(log, "poll"),
    lambda log: _within(log, "send"),
    _across_polls,
    _across_sends,
    _unseen,
)
"""Everything that is looked for, what says most first."""
