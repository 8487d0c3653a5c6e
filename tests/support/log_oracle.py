"""How often each anomaly of a log occurs, by the definitions of jepsen.tests.kafka, over lists and pairs.

Of circles of transactions (G1c, G1c-realtime) it says whether there is one, as 1.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise


def _moves(one, verb):
    """(key, offset or None, message) of every message that an operation sent or polled, in order."""
    value = one.asked if one.told is None else one.told
    found = []
    if one.f not in ("send", "poll", "txn"):
        return found
    for micro in value:
        if micro[0] != verb:
            continue
        if verb == "send":
            pair = micro[2] if isinstance(micro[2], list) else [None, micro[2]]
            found.append((str(micro[1]), *pair))
        elif len(micro) > 1:
            found += [(key, *pair) for key, pairs in micro[1].items() for pair in pairs]
    return found


class _Log:
    def __init__(self, operations):
        self.operations = operations
        self.sends = [(one, *move) for one in operations for move in _moves(one, "send")]
        self.polls = [(one, *move) for one in operations for move in _moves(one, "poll")]
        self.shown = {(key, message) for one, key, _, message in self.polls if one.type == "ok"}
        self.keys = sorted({key for _, key, _, _ in self.sends + self.polls})
        self.places = {key: self._places(key) for key in self.keys}

    def took_effect(self, one):
        if one.type != "info":
            return one.type == "ok"
        return any((key, message) in self.shown for key, _, message in _moves(one, "send"))

    def _places(self, key):
        """[(offset, messages seen there)], by offset."""
        known = [(o, m) for one, k, o, m in self.polls if k == key and o is not None]
        known += [
            (o, m)
            for one, k, o, m in self.sends
            if k == key and o is not None and self.took_effect(one)
        ]
        return [
            (offset, {m for o, m in known if o == offset})
            for offset in sorted({o for o, _ in known})
        ]

    def first(self, key, message):
        return next((n for n, (_, seen) in enumerate(self.places[key]) if message in seen), None)

    def last(self, key, message):
        return max(
            (n for n, (_, seen) in enumerate(self.places[key]) if message in seen), default=None
        )

    def writer(self, key, message):
        return next(
            (one for one, k, _, m in reversed(self.sends) if (k, m) == (key, message)), None
        )

    def bound(self, key):
        known = [self.first(key, m) for k, m in self.shown if k == key]
        return max((place for place in known if place is not None), default=-1)

    def distance(self, key, before, after):
        one, other = self.first(key, before), self.first(key, after)
        return 1 if one is None or other is None else other - one


def _per_key(moves):
    found = {}
    for key, _, message in moves:
        found.setdefault(key, []).append(message)
    return found


def kafka(operations):
    """Anomaly -> how often."""
    log = _Log(operations)
    counts = Counter()
    for key in log.keys:
        places = log.places[key]
        messages = sorted({m for _, seen in places for m in seen})
        counts["inconsistent-offsets"] += sum(len(seen) > 1 for _, seen in places)
        counts["duplicate"] += sum(log.first(key, m) != log.last(key, m) for m in messages)
        for m in messages:
            writer = log.writer(key, m)
            sent = writer is not None and log.took_effect(writer)
            counts["lost-write"] += (
                sent and log.last(key, m) <= log.bound(key) and (key, m) not in log.shown
            )
        for m in sorted({m for _, k, _, m in log.sends if k == key}):
            place = log.last(key, m)
            behind = place is None or place > log.bound(key)
            counts["unseen"] += (
                log.writer(key, m).type == "ok" and (key, m) not in log.shown and behind
            )
    for key, m in log.shown:
        writer = log.writer(key, m)
        counts["unexpected"] += writer is None
        counts["G1a"] += writer is not None and writer.type == "fail"
    for one in operations:
        polled = {(key, m) for key, _, m in _moves(one, "poll")}
        counts["precommitted-read"] += sum((key, m) in polled for key, _, m in _moves(one, "send"))
        _inside(log, one, counts)
    for process in sorted({one.process for one in operations}):
        _session(log, [one for one in operations if one.process == process], counts)
    shown = {
        (a, b)
        for b, one in enumerate(operations)
        for key, _, m in (_moves(one, "poll") if one.type == "ok" else ())
        for a, writer in enumerate(operations)
        if writer is log.writer(key, m) and a != b
    }
    before = {
        (a, b)
        for a, one in enumerate(operations)
        for b, other in enumerate(operations)
        if one.type == "ok" and one.returned < other.called
    }
    if _comes_round(shown):
        counts["G1c"] = 1
    elif _comes_round(shown | before):
        counts["G1c-realtime"] = 1
    return {name: count for name, count in counts.items() if count}


def _comes_round(edges):
    reached = set(edges)
    while more := {(a, d) for a, b in reached for c, d in edges if b == c} - reached:
        reached |= more
    return any(a == b for a, b in reached)


def _inside(log, one, counts):
    for verb in ("send", "poll"):
        for key, listed in _per_key(_moves(one, verb)).items():
            for before, after in pairwise(listed):
                distance = log.distance(key, before, after)
                counts[f"int-{verb}-skip"] += distance > 1
                counts[f"int-nonmonotonic-{verb}"] += distance < 1


def _session(log, operations, counts):
    read, sent = {}, {}
    for one in operations:
        if one.f in ("assign", "subscribe"):
            if one.type != "fail":
                read = {key: m for key, m in read.items() if int(key) in one.asked}
            continue
        for key, listed in _per_key(_moves(one, "poll")).items():
            distance = log.distance(key, read[key], listed[0]) if key in read else 1
            counts["poll-skip"] += distance > 1
            counts["nonmonotonic-poll"] += distance < 1
            if one.type == "ok":
                read[key] = listed[-1]
        for key, listed in _per_key(_moves(one, "send")).items():
            if one.type == "fail":
                continue
            counts["nonmonotonic-send"] += (
                key in sent and log.distance(key, sent[key], listed[0]) < 1
            )
            sent[key] = listed[-1]
