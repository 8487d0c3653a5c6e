"""Models of transactions by their definition, and random small histories to hold a judge against it.

A model holds iff there are an order of the transactions (arbitration) and a relation of who sees whom (visibility), such that
every read returns what the seen transactions wrote, in that order, and the model's axioms hold (Cerone, Bernardi & Gotsman
2015). All orders are tried. For one order the axioms only add to the visibility that the reads demand, so the least visibility is
computed, and it is right iff it shows no read a write that was missed. No graph, no cycle and no version order is looked at.
"""

from __future__ import annotations

from itertools import permutations, product

from harness.checkers.transactions.judge import judge
from harness.checkers.transactions.lattice import implied_models
from harness.checkers.transactions.transactions import load
from harness.operation import Operation

SESSIONS = {
    "strong-session-read-atomic": "read-atomic",
    "strong-session-causal-cerone": "causal-cerone",
    "strong-session-prefix": "prefix",
    "strong-session-parallel-snapshot-isolation": "parallel-snapshot-isolation",
    "strong-session-snapshot-isolation": "snapshot-isolation",
    "strong-session-serializable": "serializable",
}
REALTIME = {
    "strong-snapshot-isolation": "snapshot-isolation",
    "strict-serializable": "serializable",
}
PLAIN = tuple(dict.fromkeys(SESSIONS.values()))
MODELS = ("monotonic-atomic-view", *PLAIN, *SESSIONS, *REALTIME)
_CONFLICTS = ("parallel-snapshot-isolation", "snapshot-isolation", "serializable")
_PREFIXES = ("prefix", "snapshot-isolation", "serializable")


class Case:
    """A small history: how each transaction ended, what it did, its process, its places of call and return."""

    def __init__(self, write, kinds, done, processes, places):
        self.write, self.kinds, self.done = write, kinds, done
        self.processes, self.places = processes, places

    def __repr__(self):
        return f"Case({self.write!r}, {self.kinds}, {self.done}, {self.processes}, {self.places})"

    def history(self):
        events = []
        for number, (kind, value) in enumerate(zip(self.kinds, self.done, strict=True)):
            asked = [[f, key, None if f == "r" else argument] for f, key, argument in value]
            invoked = Operation(process=self.processes[number], f="txn", value=asked)
            called, returned = self.places[number]
            events.append((called, invoked))
            events.append((returned, invoked.completed(kind, value if kind == "ok" else None)))
        return [operation for _, operation in sorted(events, key=lambda event: event[0])]


def holding(case):
    """Return the models that hold."""
    held = set()
    count = len(case.kinds)
    open_ended = [n for n in range(count) if case.kinds[n] == "info"]
    committed = [n for n in range(count) if case.kinds[n] == "ok"]
    for taken in product((False, True), repeat=len(open_ended)):
        chosen = committed + [n for n, take in zip(open_ended, taken, strict=True) if take]
        facts = _demands(case, chosen)
        if facts is None:
            continue
        for order in permutations(chosen):
            _try_order(case, facts, order, held)
            if len(held) == len(MODELS):
                return held
    return held


def _demands(case, chosen):
    """(transaction -> (key, what it saw of others, all that it saw) of its reads, (key, value) -> writer, key -> writes).

    None where a read contradicts its own transaction or shows what nobody committed.
    """
    owner, writes = {}, {}
    for number in chosen:
        for f, key, value in case.done[number]:
            if f != "r":
                owner[key, value] = number
                writes.setdefault(key, {}).setdefault(number, []).append(value)
    reads = {number: [] for number in chosen}
    for number in chosen:
        if case.kinds[number] != "ok":
            continue
        known, own = {}, {}
        for f, key, value in case.done[number]:
            if f != "r":
                own.setdefault(key, []).append(value)
                continue
            outside = _outside(case.write, value, own.get(key, []))
            if outside is None:
                return None
            if case.write == "w" and key in own:
                continue
            if known.setdefault(key, outside) != outside:
                return None
            shown = outside if case.write == "append" else [outside] * (outside != ())
            if any(owner.get((key, v), number) == number for v in shown):
                return None
            reads[number].append((key, outside, value))
    return reads, owner, writes


def _outside(write, value, own):
    """What a read saw of others; None where it does not fit what its transaction wrote."""
    if write == "append":
        value = list(value or [])
        cut = len(value) - len(own)
        return value[:cut] if cut >= 0 and value[cut:] == own else None
    if own:
        return () if value == own[-1] else None
    return () if value is None else value


def _try_order(case, facts, order, held):
    """Add the models that hold with this order."""
    reads, _, writes = facts
    place = {number: at for at, number in enumerate(order)}
    sees, misses = {}, {}
    for number in order:
        sees[number] = misses[number] = 0
        for read in reads[number]:
            fit = _seen(case.write, read, facts, place, number)
            if fit is None or (case.write == "append" and not _is_version(read, writes, order)):
                return
            sees[number] |= fit[0]
            misses[number] |= fit[1]
    session = _session(case, order, place)
    realtime = _realtime(case, order, place)
    if _monotonic(case, facts, order, place):
        held.add("monotonic-atomic-view")
    for names, extra in (({n: n for n in PLAIN}, {}), (SESSIONS, session), (REALTIME, realtime)):
        if extra is None:
            continue
        for name, model in names.items():
            if name not in held and _holds(model, order, (sees, misses), extra, writes):
                held.add(name)


def _is_version(read, writes, order):
    """Whether a list is what the key held at some time: versions are whole, and one follows from the other (Adya 1999)."""
    key, _, value = read
    writers = writes.get(key, {})
    whole = [element for number in order for element in writers.get(number, ())]
    return whole[: len(value or [])] == list(value or [])


def _seen(write, read, facts, place, reader):
    """(transactions that a read must see, those it must not), as bits of places; None where the order contradicts it."""
    key, outside, _ = read
    _, owner, writes = facts
    writers = [number for number in writes.get(key, {}) if number != reader]
    if write == "append":
        shown = list(dict.fromkeys(owner[key, value] for value in outside))
        if outside != [value for number in shown for value in writes[key][number]]:
            return None
        if shown != sorted(shown, key=place.__getitem__) or any(
            place[number] > place[reader] for number in shown
        ):
            return None
        return (
            sum(1 << place[number] for number in shown),
            sum(1 << place[number] for number in writers if number not in shown),
        )
    if outside == ():
        return 0, sum(1 << place[number] for number in writers)
    source = owner[key, outside]
    if writes[key][source][-1] != outside or place[source] > place[reader]:
        return None
    later = [number for number in writers if place[number] > place[source]]
    return 1 << place[source], sum(1 << place[number] for number in later)


def _session(case, order, place):
    """Place -> bits of what its process ran before; None where the order contradicts it."""
    return _before(
        order,
        place,
        lambda a, b: (
            case.processes[a] == case.processes[b] and case.places[a][0] < case.places[b][0]
        ),
    )


def _realtime(case, order, place):
    """Place -> bits of what had returned before it was called; None where the order contradicts it."""
    return _before(
        order, place, lambda a, b: case.kinds[a] == "ok" and case.places[a][1] < case.places[b][0]
    )


def _before(order, place, precedes):
    found = {}
    for later in order:
        for earlier in order:
            if earlier != later and precedes(earlier, later):
                if place[earlier] > place[later]:
                    return None
                found[later] = found.get(later, 0) | 1 << place[earlier]
    return found


def _holds(model, order, demands, extra, writes):
    """Whether the least visibility that the model's axioms allow shows no read what it missed."""
    sees, misses = demands
    place = {number: at for at, number in enumerate(order)}
    vis = []
    for at, number in enumerate(order):
        mine = sees[number] | extra.get(number, 0)
        if model == "serializable":
            mine = (1 << at) - 1
        if model in _CONFLICTS:
            for writers in writes.values():
                if number in writers:
                    mine |= sum(1 << place[n] for n in writers if place[n] < at)
        if model in _PREFIXES and mine:
            mine = (1 << mine.bit_length()) - 1
        if model != "read-atomic":
            for earlier in range(at):
                if mine >> earlier & 1:
                    mine |= vis[earlier]
        if mine & misses[number]:
            return False
        vis.append(mine)
    return True


def _monotonic(case, facts, order, place):
    """Whether what each read sees may grow from read to read."""
    reads = facts[0]
    for number in order:
        sees = 0
        for read in reads[number]:
            shown, missed = _seen(case.write, read, facts, place, number)
            sees |= shown
            if sees & missed:
                return False
    return True


def drawn(random, write, *, transactions_max=5, keys_max=3):
    """Return a random case, made by a store whose isolation is drawn, with a read spoiled now and then."""
    count, keys = random.randint(2, transactions_max), random.randint(1, keys_max)
    model = random.choice(("none", *PLAIN))
    chance = random.choice((0.2, 0.5, 0.8))
    kinds = [random.choice(("ok", "ok", "ok", "ok", "ok", "info", "fail")) for _ in range(count)]
    plans, value = [], 0
    for _ in range(count):
        plan = []
        for _ in range(random.randint(1, 3)):
            value += 1
            key = random.randrange(keys)
            plan.append(["r", key, None] if random.random() < 0.5 else [write, key, value])
        plans.append(plan)
    order = random.sample(range(count), count)
    writes = {}
    for number, plan in enumerate(plans):
        for f, key, _ in plan:
            if f != "r" and kinds[number] != "fail":
                writes.setdefault(key, set()).add(number)
    vis, done = [], [None] * count
    for at, number in enumerate(order):
        seen = sum(1 << n for n in range(at) if random.random() < chance)
        vis.append(_closed(model, seen, vis, order, writes))
        done[number] = _executed(plans, kinds, order, vis, write)
    if random.random() < 0.2:
        _spoil(random, done, write)
    processes, places = _placed(random, order, kinds)
    return Case(write, kinds, done, processes, places)


def _closed(model, seen, vis, order, writes):
    at = len(vis)
    number, place = order[at], {number: at for at, number in enumerate(order)}
    if model == "serializable":
        return (1 << at) - 1
    if model in _CONFLICTS:
        for writers in writes.values():
            if number in writers:
                seen |= sum(1 << place[n] for n in writers if place[n] < at)
    if model in _PREFIXES and seen:
        seen = (1 << seen.bit_length()) - 1
    if model not in ("none", "read-atomic"):
        for earlier in range(at):
            if seen >> earlier & 1:
                seen |= vis[earlier]
    return seen


def _executed(plans, kinds, order, vis, write):
    number, seen = order[len(vis) - 1], vis[-1]
    state = {}
    for at, other in enumerate(order):
        if seen >> at & 1 and kinds[other] != "fail":
            for f, key, value in plans[other]:
                if f != "r":
                    state.setdefault(key, []).append(value)
    done = []
    for f, key, value in plans[number]:
        past = state.setdefault(key, [])
        if f == "r":
            done.append([f, key, past[:] if write == "append" else (past or [None])[-1]])
        else:
            past.append(value)
            done.append([f, key, value])
    return done


def _spoil(random, done, write):
    """Let a read see less, or something of another transaction."""
    reads = [item for value in done for item in value if item[0] == "r"]
    if not reads:
        return
    item = random.choice(reads)
    if write == "append":
        item[2] = item[2][: random.randint(0, len(item[2]))]
    else:
        others = [v for value in done for f, key, v in value if f == "w" and key == item[1]]
        item[2] = random.choice([None, *others])


def _placed(random, order, kinds):
    """Draw processes, and places that mostly follow the order."""
    count = len(order)
    processes = [
        random.randrange(count) if kind != "info" else count + number
        for number, kind in enumerate(kinds)
    ]
    turns = order[:] if random.random() < 0.8 else random.sample(order, count)
    waiting, running, places, clock = list(turns), [], {}, 0
    while waiting or running:
        busy = {processes[number] for number in running}
        if waiting and processes[waiting[0]] not in busy and random.random() < 0.6:
            number = waiting.pop(0)
            running.append(number)
            places[number] = [clock, None]
        elif running:
            number = running.pop(random.randrange(len(running)))
            places[number][1] = clock
        clock += 1
    return processes, [tuple(places[number]) for number in range(count)]


def judged(case):
    """Return the models that the judge lets hold, and those it leaves open.

    Models are asked from the strongest on; what a model that holds implies is not asked again, nor what has fallen.
    """
    transactions = load(case.history())
    held, fallen, open_ = set(), set(), set()
    for model in reversed(MODELS):
        if model in held or model in fallen:
            continue
        verdict = judge(transactions, (model,))
        fallen |= {*verdict.facts["not"], *verdict.facts["also_not"]}
        if verdict.valid is False:
            continue
        if verdict.valid == "unknown" and verdict.facts["dependencies"]:
            open_.add(model)
        else:
            held |= implied_models(model)
    return held & set(MODELS), open_


def disagreement(case):
    """Return in words where the judge and the definition differ, ``""`` where they agree on every model."""
    truth = holding(case)
    told, open_ = judged(case)
    if open_:
        return f"left open: {sorted(open_)} of {case}"
    wrong = told ^ truth
    if not _is_whole(case):
        wrong -= {"monotonic-atomic-view"}
    return f"{sorted(wrong)} of {case}" if wrong else ""


def _is_whole(case):
    """Whether no read contradicts its own transaction; monotonic atomic view does not ask for that, the orders above do."""
    for kind, done in zip(case.kinds, case.done, strict=True):
        own, known = {}, {}
        for f, key, value in done if kind == "ok" else ():
            if f != "r":
                own.setdefault(key, []).append(value)
                continue
            outside = _outside(case.write, value, own.get(key, []))
            mine = [v for g, k, v in done if g != "r" and k == key]
            shown = outside if case.write == "append" else [outside]
            if outside is None or set(shown) & set(mine):
                return False
            if not (case.write == "w" and key in own) and known.setdefault(key, outside) != outside:
                return False
    return True
