"""Long histories of honest objects, for measuring: many clients at once, few crashes, and a lie near the end where one is wanted.

Objects whose reads grow with the history (sets, banks of writes) are read rarely, as a workload would.
"""

from __future__ import annotations

from object_histories import OBJECTS

from harness.operation import Operation

CRASHED = 0.01
READS_OF_ALL = {"set-full": 100, "causal-reverse": 100}
"""How often everything is read."""


class _Growing(OBJECTS["causal-reverse"]):
    """Adds of new elements, and a few reads of all of them."""

    adding = "write"

    def ask(self, process):
        return ("read", None) if self.rng.random() < self.often else (self.adding, self.fresh())

    def do(self, process, f, asked):
        return super().do(process, "read" if f == "read" else "write", asked)


class _Set(_Growing):
    adding = "add"


class _Queue(OBJECTS["total-queue"]):
    """Every element once, and no drain before the end."""

    def ask(self, process):
        return ("enqueue", self.fresh()) if self.rng.random() < 0.5 else ("dequeue", None)


class _Counter(OBJECTS["counter-bounds"]):
    """Ones and twos."""

    def ask(self, process):
        f = self.rng.choice(["add", "read"])
        return f, self.rng.randint(1, 2) if f == "add" else None

    def spoil(self, f, told):
        return told - 1000


class _Bank(OBJECTS["bank"]):
    """Accounts that nobody empties."""

    def start(self):
        self.state = {"a": 1 << 40, "b": 0}


class _Lock(OBJECTS["fenced-lock"]):
    """Grants, and no writes that would have to be refused."""

    def ask(self, process):
        return (
            ("release", self.tokens.pop(process)) if process in self.tokens else ("acquire", None)
        )


class _Log(OBJECTS["kafka"]):
    """Keys that everybody keeps, read to the end at last."""

    def ask(self, process):
        f, asked = super().ask(process)
        return ("poll", [["poll"]]) if f in ("assign", "subscribe") else (f, asked)

    def do(self, process, f, asked):
        if f != "drain":
            return super().do(process, f, asked)
        rest = {
            key: [[2 * n + 2, log[n]] for n in range(len(log))] for key, log in self.state.items()
        }
        return [["poll", rest]]


class _Fork(OBJECTS["long-fork"]):
    """Registers without end, in groups of four."""

    def start(self):
        self.state = {}

    def ask(self, process):
        if self.rng.random() < 0.4:
            return "txn", [["w", self.fresh(), 1]]
        first = max(0, self.number - self.rng.randrange(12)) // 4 * 4
        return "txn", [["r", key, None] for key in range(first, first + 4)]


class _Subkeys(OBJECTS["sequential"]):
    """Reads that find a tail."""

    def do(self, process, f, asked):
        there = self.rng.randint(0, 3)
        return ["k", [None] * (3 - there) + [1] * there] if f == "read" else asked

    def spoil(self, f, told):
        return ["k", [1, None, 1]]


class _Levels(OBJECTS["monotonic"]):
    def spoil(self, f, told):
        return dict.fromkeys(told, 1)


class _Registers(OBJECTS["causal"]):
    """A hundred registers, always read as they are."""

    def start(self):
        self.keys = [f"r{number}" for number in range(100)]
        self.state = dict.fromkeys(self.keys)

    def do(self, process, f, asked):
        key, value = asked
        if f == "write":
            self.state[key] = value
        return [key, self.state[key]]

    def spoil(self, f, told):
        return [told[0], 1]


class _Versions(_Registers):
    def start(self):
        self.keys = ["x", "y"]
        self.state = dict.fromkeys(self.keys)

    def do(self, process, f, asked):
        key, _ = asked
        self.state[key] = (self.state[key] or 0) + (f == "write")
        return [key, self.state[key]]

    def spoil(self, f, told):
        return [told[0], 0]


LONG = {
    **OBJECTS,
    "total-queue": _Queue,
    "counter-bounds": _Counter,
    "set-full": _Set,
    "bank": _Bank,
    "fenced-lock": _Lock,
    "monotonic": _Levels,
    "kafka": _Log,
    "causal-reverse": _Growing,
    "long-fork": _Fork,
    "sequential": _Subkeys,
    "session-versions": _Versions,
    **dict.fromkeys(("causal", "causal-convergence", "session-guarantees"), _Registers),
}
"""What is measured; causal memory takes a round for each session, and is not."""
del LONG["causal-memory"]


def long_history(rng, model, count, *, clients, lie):
    """A history of `count` operations; with `lie` one late answer is made up."""
    thing = LONG[model](rng)
    thing.often = READS_OF_ALL.get(model, 0) / count
    processes = list(range(clients))
    busy, history, begun = {}, [], 0
    while begun < count or busy:
        client = rng.randrange(clients)
        if client not in busy:
            if begun < count:
                f, asked = thing.ask(processes[client])
                busy[client] = (f, asked)
                history.append(_event(processes[client], "invoke", f, asked))
                begun += 1
            continue
        f, asked = busy.pop(client)
        told = thing.do(processes[client], f, asked)
        if rng.random() < CRASHED and f not in ("dequeue", "poll", "txn"):
            history.append(_event(processes[client], "info", f, asked))
            processes[client] += clients
            continue
        if lie and begun > 0.95 * count and f not in ("write", "add", "enqueue", "send", "release"):
            spoiled = thing.spoil(f, told)
            lie = spoiled == told
            told = spoiled
        history.append(_event(processes[client], "ok", f, told))
    return history + _end(thing, processes[0], model)


def _event(process, kind, f, value):
    return Operation(process=process, type=kind, f=f, value=value)


def _end(thing, process, model):
    """A queue is drained, everything is read once more."""
    f = {
        "total-queue": "drain",
        "set-full": "read",
        "causal-reverse": "read",
        "kafka": "drain",
    }.get(model)
    if f is None:
        return []
    told = thing.do(process, f, None)
    if model == "kafka":
        process, f = process + 10**9, "poll"
    return [_event(process, "invoke", f, told), _event(process, "ok", f, told)]
