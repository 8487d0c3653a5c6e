"""What the checkers of objects must say, worked out the slow way: definitions word by word, by pairs, subsets and permutations.

An oracle takes a list of `Paired` and returns what can be compared with a verdict: whether it convicts, or a few counts. None
shares more with the checkers than the joining of invocations and completions.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations, product

from log_oracle import kafka


def _ok(operations, *fs):
    return [one for one in operations if one.f in fs and one.type == "ok"]


def _maybe(operations, *fs):
    return [one for one in operations if one.f in fs and one.type != "fail"]


def total_queue(operations):
    """Convicted, or unknown, or neither: every way in which crashed dequeues may have taken elements along is tried."""
    out = []
    for one in _ok(operations, "dequeue", "drain"):
        out += [(one, x) for x in ([one.told] if one.f == "dequeue" else one.told) if x is not None]
    for one, x in out:
        if not any(e.asked == x and e.called < one.returned for e in _maybe(operations, "enqueue")):
            return False
    owed = Counter(one.asked for one in _ok(operations, "enqueue"))
    owed.subtract(Counter(x for _, x in out))
    lost = [x for x, count in owed.items() for _ in range(max(0, count))]
    if not lost:
        return True if out else "unknown"
    if any(one.type == "info" and one.f == "drain" for one in operations):
        return "unknown"
    crashed = [one for one in operations if one.type == "info" and one.f == "dequeue"]
    for taken in product([None, *lost], repeat=len(crashed)):
        if not Counter(lost) - Counter(taken):
            return "unknown"
    return False


def unique_ids(operations):
    """No two are the same."""
    given = _ok(operations, "generate")
    if not given:
        return "unknown"
    return not any(a.told == b.told for a, b in combinations(given, 2))


def counter_bounds(operations):
    """The smallest and the greatest sum over every subset of what may have been added."""
    reads = _ok(operations, "read")
    for read in reads:
        sure = sum(a.asked for a in _ok(operations, "add") if a.returned < read.called)
        maybe = [
            a.asked
            for a in _maybe(operations, "add")
            if a.called < read.returned and not (a.type == "ok" and a.returned < read.called)
        ]
        sums = [sure + sum(some) for n in range(len(maybe) + 1) for some in combinations(maybe, n)]
        if not min(sums) <= read.told <= max(sums):
            return False
    return True if reads else "unknown"


def set_full(operations):
    """Counts of stable, lost, stale, never-read, duplicated and unexpected elements."""
    counts = Counter()
    reads = _ok(operations, "read")
    everything = {one.asked for one in operations if one.f == "add"}
    for x in sorted(everything | {x for read in reads for x in read.told}):
        adds = [one for one in _maybe(operations, "add") if one.asked == x]
        seen = [read for read in reads if x in read.told]
        counts["duplicated"] += any(read.told.count(x) > 1 for read in reads)
        counts["unexpected"] += any(
            not any(add.called < read.returned for add in adds) for read in seen
        )
        if x not in everything:
            continue
        first = min(
            a.called for a in adds or [o for o in operations if o.f == "add" and o.asked == x]
        )
        missing = [read for read in reads if x not in read.told and read.called > first]
        known = min(
            [a.returned for a in adds if a.type == "ok"] + [r.returned for r in seen], default=None
        )
        last_seen = max((read.called for read in seen), default=-1)
        last_missing = max((read.called for read in missing), default=-1)
        missed = known is not None and any(read.called > known for read in missing)
        if last_seen > last_missing:
            counts["stable"] += 1
            counts["stale"] += missed
        else:
            counts["lost" if missed else "never_read"] += 1
    return {name: counts[name] for name in ("stable", "lost", "stale", "never_read", "duplicated", "unexpected")}  # fmt: skip


def bank(operations):
    """All reads agree on the sum, know no account that the first does not, and no balance is empty or below zero."""
    reads = _ok(operations, "read")
    if not reads:
        return "unknown"
    first = min(reads, key=lambda read: read.returned).told
    if any(None in read.told.values() for read in reads):
        return False
    for read in reads:
        balances = list(read.told.values())
        if min(balances, default=0) < 0 or not read.told.keys() <= first.keys():
            return False
        if sum(balances) != sum(first.values()):
            return False
    return True


def write_precedence(operations):
    """Of every read and every pair of writes: the later one is not seen without the earlier."""
    writes = _maybe(operations, "write")
    told = False
    for read in _ok(operations, "read"):
        for x in read.told:
            if not any(w.asked == x and w.called < read.returned for w in writes):
                return False
        for early, late in permutations(writes, 2):
            if early.type == "ok" and early.returned < late.called and late.asked in read.told:
                told = True
                if early.asked not in read.told:
                    return False
    return True if told else "unknown"


def subkey_order(operations):
    """No None behind a value, place by place."""
    reads = _ok(operations, "read")
    for read in reads:
        seen = read.told[1]
        if any(a is not None and b is None for a, b in combinations(seen, 2)):
            return False
    return True if any(x is not None for read in reads for x in read.told[1]) else "unknown"


def long_fork(operations):
    """Of every two reads of the same registers one holds the other; values were written before."""
    writes = [one for one in _maybe(operations, "txn") if one.asked[0][0] == "w"]
    reads = [one for one in _ok(operations, "txn") if one.asked[0][0] == "r"]
    for read in reads:
        for _, key, value in read.told:
            if value is not None and not any(
                w.asked[0][1:] == [key, value] and w.called < read.returned for w in writes
            ):
                return False
    for one, other in combinations(reads, 2):
        a, b = ({key: value for _, key, value in read.told} for read in (one, other))
        if a.keys() == b.keys():
            only_a = any(a[key] is not None and b[key] is None for key in a)
            only_b = any(b[key] is not None and a[key] is None for key in a)
            if only_a and only_b:
                return False
    seen = [[value for _, _, value in read.told] for read in reads]
    return True if any(None in values and any(values) for values in seen) else "unknown"


def monotonic(operations):
    """Some order of all operations keeps processes and lets no value fall."""
    seen = [one for one in operations if one.type == "ok"]
    values = {}
    for one in seen:
        for key, value in one.told.items():
            values.setdefault(key, set()).add(value)

    def fits(order):
        highest, last = {}, {}
        for one in order:
            if last.get(one.process, -1) > one.called:
                return False
            last[one.process] = one.called
            for key, value in one.told.items():
                if highest.get(key, value) > value:
                    return False
                highest[key] = value
        return True

    if not any(fits(order) for order in permutations(seen)):
        return False
    return True if any(len(level) > 1 for level in values.values()) else "unknown"


def fenced_lock(operations):
    """Pairs of grants, pairs of guarded writes, and each write with its grant."""
    grants, writes = _ok(operations, "acquire"), _ok(operations, "write")
    for a, b in permutations(grants, 2):
        if a.told == b.told or (a.returned < b.called and a.told > b.told):
            return False
    for a, b in permutations(writes, 2):
        if a.returned < b.called and a.asked[0] > b.asked[0]:
            return False
    for write in writes:
        mine = [g for g in grants if g.told == write.asked[0]]
        lost = [g for g in operations if g.f == "acquire" and g.type == "info"]
        if not any(g.called < write.returned for g in mine or lost):
            return False
    return True if len(grants) > 1 else "unknown"


class _Causal:
    """Accesses as (process, key, is write, value), the causal order as sets of what precedes each."""

    def __init__(self, operations):
        kept = [
            one
            for one in operations
            if one.type == "ok" or (one.f == "write" and one.type == "info")
        ]
        self.accesses = [
            (one.process, *((one.asked if one.f == "write" else one.told)[:1]), one.f == "write",
             (one.asked if one.f == "write" else one.told)[1])
            for one in kept
        ]  # fmt: skip
        count = len(self.accesses)
        direct = {n: set() for n in range(count)}
        self.thin_air = False
        self.saw = {}
        for n, (process, key, writes, value) in enumerate(self.accesses):
            direct[n] |= {m for m in range(n) if self.accesses[m][0] == process}
            if not writes and value is not None:
                source = [m for m in range(count) if self.accesses[m][1:] == (key, True, value)]
                self.thin_air |= not source
                direct[n] |= set(source)
                self.saw[n] = source[0] if source else None
        for middle in range(count):
            for n in range(count):
                if middle in direct[n]:
                    direct[n] |= direct[middle]
        self.past = direct
        self.cyclic = any(n in direct[n] for n in range(count))

    def orders(self, nodes, order):
        """Every order of `nodes` in which what precedes (`order`: n -> set) stands in front."""
        if not nodes:
            yield ()
            return
        for n in nodes:
            if not order[n] & (nodes - {n}):
                for rest in self.orders(nodes - {n}, order):
                    yield (n, *rest)

    def right(self, sequence, only):
        """Whether the reads `only` return what a sequence says."""
        held = {}
        for n in sequence:
            _, key, writes, value = self.accesses[n]
            if writes:
                held[key] = value
            elif n in only and held.get(key) != value:
                return False
        return True


def causal(operations):
    """Every read alone can be explained by an order of its causal past."""
    history = _Causal(operations)
    if history.thin_air or history.cyclic:
        return False
    for n in range(len(history.accesses)):
        past = history.past[n]
        if not history.accesses[n][2] and not any(
            history.right((*order, n), {n}) for order in history.orders(past, history.past)
        ):
            return False
    return True if any(m is not None for m in history.saw.values()) else "unknown"


def causal_memory(operations):
    """All reads of each session can be explained by one order of the causal past of its last access."""
    plain = causal(operations)
    if plain is False:
        return False
    history = _Causal(operations)
    for process in {one[0] for one in history.accesses}:
        own = [n for n, one in enumerate(history.accesses) if one[0] == process]
        past = history.past[own[-1]] | {own[-1]}
        if not any(history.right(order, set(own)) for order in history.orders(past, history.past)):
            return False
    return plain


def causal_convergence(operations):
    """One order of all writes explains every read, when it is applied to its causal past."""
    plain = causal(operations)
    if plain is False:
        return False
    history = _Causal(operations)
    everything = set(range(len(history.accesses)))
    for order in history.orders(everything, history.past):
        if all(
            history.right([m for m in order if m in history.past[n]] + [n], {n})
            for n in everything
            if not history.accesses[n][2]
        ):
            return plain
    return False


def session_guarantees(operations):
    """Some order of the writes of the one register satisfies all four."""
    history = _Causal(operations)
    if history.thin_air:
        return False
    accesses = history.accesses
    writes = [value for _, _, is_write, value in accesses if is_write]
    pairs = [(a, b) for a, b in combinations(accesses, 2) if a[0] == b[0]]
    for order in permutations(writes):
        rank = {value: place for place, value in enumerate((None, *order))}
        if all(
            rank[a[3]] < rank[b[3]] or (not b[2] and rank[a[3]] == rank[b[3]]) for a, b in pairs
        ):
            return True if pairs else "unknown"
    return False


def session_versions(operations):
    """Every pair of accesses of a session to a key."""
    done = [one for one in operations if one.type == "ok"]
    compared = False
    for a, b in combinations(done, 2):
        if a.told[0] != b.told[0]:
            continue
        if a.f == b.f == "write" and a.told[1] == b.told[1]:
            return False
        if a.process == b.process:
            compared = True
            if a.told[1] > b.told[1] or (b.f == "write" and a.told[1] == b.told[1]):
                return False
    return True if compared else "unknown"


ORACLES = {
    "total-queue": total_queue,
    "unique-ids": unique_ids,
    "counter-bounds": counter_bounds,
    "set-full": set_full,
    "bank": bank,
    "causal-reverse": write_precedence,
    "sequential": subkey_order,
    "long-fork": long_fork,
    "monotonic": monotonic,
    "fenced-lock": fenced_lock,
    "causal": causal,
    "causal-convergence": causal_convergence,
    "causal-memory": causal_memory,
    "session-guarantees": session_guarantees,
    "session-versions": session_versions,
    "kafka": kafka,
}
