"""Small random histories for the checkers of whole objects, and for each model of `reprise check` one that it must convict.

A history is made by clients that overlap, crash and fail at random, over a small honest object; now and then an answer is made
up, or an operation that failed takes effect all the same. So some histories are right, some wrong, and most of them nearly right.
"""

from __future__ import annotations

import msgspec

from harness.operation import Operation

CRASHED, FAILED, SPOILED, FORGOTTEN = 0.12, 0.08, 0.12, 0.3
THREADS = 3


class Object:
    """What clients ask of and how it answers. `state` is the object's own; `ask` draws an operation, `do` answers one."""

    spoiled = SPOILED
    """How often an answer is made up."""

    def __init__(self, rng):
        self.rng = rng
        self.number = 0
        self.start()

    def start(self):
        self.state = {}

    def fresh(self):
        self.number += 1
        return self.number

    def any_value(self):
        return self.rng.randint(1, max(1, self.number))


class Queue(Object):
    """First in, first out; some of three values."""

    def start(self):
        self.state = []

    def ask(self, process):
        f = self.rng.choice(["enqueue", "enqueue", "dequeue", "dequeue", "drain"])
        return f, self.rng.randint(1, 3) if f == "enqueue" else None

    def do(self, process, f, asked):
        if f == "enqueue":
            self.state.append(asked)
            return asked
        if f == "dequeue":
            return self.state.pop(0) if self.state else None
        taken, self.state = self.state, []
        return taken

    def spoil(self, f, told):
        if f == "drain":
            return told[1:] if told and self.rng.random() < 0.5 else [*told, self.rng.randint(1, 3)]
        return told if f == "enqueue" else self.rng.choice([None, 1, 2, 3])


class Ids(Object):
    """Numbers that rise."""

    def ask(self, process):
        return "generate", None

    def do(self, process, f, asked):
        return self.fresh()

    def spoil(self, f, told):
        return self.rng.randint(1, 5)


class Counter(Object):
    """Adds of either sign, and reads."""

    def start(self):
        self.state = 0

    def ask(self, process):
        f = self.rng.choice(["add", "read"])
        return f, self.rng.choice([-2, -1, 1, 1, 2, 3]) if f == "add" else None

    def do(self, process, f, asked):
        if f == "add":
            self.state += asked
            return asked
        return self.state

    def spoil(self, f, told):
        return told if f == "add" else told + self.rng.choice([-3, -1, 1, 2])


class Set(Object):
    """Adds of three values, and reads of all."""

    def start(self):
        self.state = []

    def ask(self, process):
        f = self.rng.choice(["add", "read"])
        return f, self.rng.randint(1, 3) if f == "add" else None

    def do(self, process, f, asked):
        if f == "add":
            self.state = [*self.state, *([] if asked in self.state else [asked])]
            return asked
        return list(self.state)

    def spoil(self, f, told):
        if f == "add":
            return told
        return told[1:] if told and self.rng.random() < 0.7 else [*told, self.rng.randint(1, 3)]


class Bank(Object):
    """Transfers between two accounts, and reads of both."""

    def start(self):
        self.state = {"a": 2, "b": 2}

    def ask(self, process):
        f = self.rng.choice(["transfer", "read", "read"])
        return f, {"from": "a", "to": "b", "amount": 1} if f == "transfer" else None

    def do(self, process, f, asked):
        if f == "transfer":
            self.state["a"] -= 1
            self.state["b"] += 1
            return asked
        return dict(self.state)

    def spoil(self, f, told):
        if f == "transfer":
            return told
        changed = dict(told)
        changed[self.rng.choice("abc")] = self.rng.choice([None, -1, 1, 2])
        return changed


class Visible(Object):
    """Blind writes, and reads of all there is."""

    def start(self):
        self.state = []

    def ask(self, process):
        if self.rng.random() < 0.5:
            return "write", self.fresh()
        return "read", None

    def do(self, process, f, asked):
        if f == "write":
            self.state.append(asked)
            return asked
        return list(self.state)

    def spoil(self, f, told):
        return [x for x in told if self.rng.random() < 0.6] if f == "read" else told

    spoiled = 0.4


class Subkeys(Object):
    """Reads that find what they like."""

    def ask(self, process):
        return self.rng.choice([("write", "k"), ("read", "k")])

    def do(self, process, f, asked):
        return ["k", [self.rng.choice([None, 1]) for _ in range(3)]] if f == "read" else asked

    def spoil(self, f, told):
        return told


class Fork(Object):
    """Three registers that are written once, and reads of two or three."""

    def start(self):
        self.state = {}
        self.left = ["x", "y", "z"]

    def ask(self, process):
        if self.left and self.rng.random() < 0.4:
            return "txn", [["w", self.left.pop(), 1]]
        keys = self.rng.choice([["x", "y"], ["y", "x"], ["x", "y", "z"]])
        return "txn", [["r", key, None] for key in keys]

    def do(self, process, f, asked):
        if asked[0][0] == "w":
            self.state[asked[0][1]] = 1
            return asked
        return [["r", key, self.state.get(key)] for _, key, _ in asked]

    def spoil(self, f, told):
        return [
            [r, k, self.rng.choice([None, 1]) if r == "r" and self.rng.random() < 0.6 else v]
            for r, k, v in told
        ]


class Levels(Object):
    """Two numbers that rise, read alone or together."""

    def start(self):
        self.state = {"x": 0, "y": 0}

    def ask(self, process):
        return self.rng.choice(["inc", "read"]), None

    def do(self, process, f, asked):
        key = self.rng.choice("xy")
        if f == "inc":
            self.state[key] += 1
            return {key: self.state[key]}
        return dict(self.state) if self.rng.random() < 0.7 else {key: self.state[key]}

    def spoil(self, f, told):
        return {key: max(0, n + self.rng.choice([-1, 1])) for key, n in told.items()}


class Lock(Object):
    """Grants with rising tokens, to whoever asks."""

    def start(self):
        self.state = 0
        self.tokens = {}

    def ask(self, process):
        token = self.tokens.get(process)
        if token is None:
            return "acquire", None
        return self.rng.choice([("release", token), ("write", [token, 0]), ("acquire", None)])

    def do(self, process, f, asked):
        if f == "acquire":
            self.state += 1
            self.tokens[process] = self.state
            return self.state
        return asked

    def spoil(self, f, told):
        return max(1, told + self.rng.choice([-2, -1, 1])) if f == "acquire" else told


class Registers(Object):
    """Two registers, every value written once; reads may be a little behind, each session at its own pace."""

    keys = ("x", "y")

    def start(self):
        self.keys = self.keys[: self.rng.randint(1, 2)]
        self.state = {key: [None] for key in self.keys}

    def ask(self, process):
        key = self.rng.choice(self.keys)
        if self.rng.random() < 0.45:
            return "write", [key, self.fresh()]
        return "read", [key, None]

    def do(self, process, f, asked):
        key, value = asked
        if f == "write":
            self.state[key].append(value)
            return asked
        known = self.state[key]
        behind = 1 + int(self.rng.random() < 0.3) + int(self.rng.random() < 0.1)
        return [key, known[max(0, len(known) - behind)]]

    def spoil(self, f, told):
        if f == "write":
            return told
        written = [value for values in self.state.values() for value in values]
        return [told[0], self.rng.choice([*self.state[told[0]], self.rng.choice(written)])]


class OneRegister(Registers):
    """The same with one register."""

    keys = ("x",)


class Versions(Registers):
    """The same, told by versions alone."""

    def do(self, process, f, asked):
        key, _ = asked
        if f == "write":
            self.state[key].append(len(self.state[key]))
            return [key, self.state[key][-1]]
        return [key, self.rng.randint(max(0, len(self.state[key]) - 2), len(self.state[key]) - 1)]

    def spoil(self, f, told):
        return [told[0], max(0, told[1] + self.rng.choice([-1, 1]))]


class Log(Object):
    """Two keys; every process polls at its own pace."""

    def start(self):
        self.state = {"0": [], "1": []}
        self.at = {}

    def ask(self, process):
        roll = self.rng.random()
        if roll < 0.06:
            f = "subscribe" if self.rng.random() < 0.3 else "assign"
            return f, self.rng.choice([[0], [1], [0, 1]])
        if roll < 0.5:
            return "send", [
                ["send", self.rng.randint(0, 1), self.fresh()] for _ in range(self.size())
            ]
        if roll < 0.9:
            return "poll", [["poll"] for _ in range(self.size())]
        return "txn", [["send", self.rng.randint(0, 1), self.fresh()], ["poll"]]

    def size(self):
        return 1 + int(self.rng.random() < 0.3)

    def do(self, process, f, asked):
        if f in ("assign", "subscribe"):
            return asked
        done = []
        for micro in asked:
            if micro[0] == "send":
                log = self.state[str(micro[1])]
                log.append(micro[2])
                done.append(["send", micro[1], [2 * len(log), micro[2]]])
            else:
                done.append(["poll", self.polled(process)])
        return done

    def polled(self, process):
        found = {}
        for key, log in self.state.items():
            at = self.at.get((process, key), 0)
            end = min(len(log), at + self.rng.randint(0, 2))
            if end > at:
                found[key] = [[2 * place + 2, log[place]] for place in range(at, end)]
                self.at[process, key] = end
        return found

    def spoil(self, f, told):
        spoiled = []
        for micro in told:
            if isinstance(micro, list) and micro[0] == "poll":
                pairs = {key: [list(pair) for pair in pairs] for key, pairs in micro[1].items()}
                for listed in pairs.values():
                    self.spoil_pairs(listed)
                spoiled.append(["poll", pairs])
            elif isinstance(micro, list):
                offset = self.rng.choice([None, micro[2][0] + self.rng.choice([-2, 1, 2])])
                spoiled.append(["send", micro[1], [offset, micro[2][1]]])
            else:
                spoiled.append(micro)
        return spoiled

    def spoil_pairs(self, listed):
        roll = self.rng.random()
        if roll < 0.4:
            listed.pop(self.rng.randrange(len(listed)))
        elif roll < 0.6:
            listed.reverse()
        elif roll < 0.8:
            listed[0][1] = self.rng.randint(1, self.number + 1)
        else:
            listed[0][0] = max(0, listed[0][0] + self.rng.choice([-2, 2]))


OBJECTS = {
    "total-queue": Queue,
    "unique-ids": Ids,
    "counter-bounds": Counter,
    "set-full": Set,
    "bank": Bank,
    "causal-reverse": Visible,
    "sequential": Subkeys,
    "long-fork": Fork,
    "monotonic": Levels,
    "fenced-lock": Lock,
    "causal": Registers,
    "causal-convergence": Registers,
    "causal-memory": Registers,
    "session-guarantees": OneRegister,
    "session-versions": Versions,
    "kafka": Log,
}
"""What the histories of each model are made over."""


def drawn(rng, model, count):
    """A history of `count` operations."""
    thing = OBJECTS[model](rng)
    threads = list(range(rng.randint(1, THREADS)))
    busy, history, begun = {}, [], 0
    while begun < count or busy:
        if begun < count and len(busy) < len(threads) and (not busy or rng.random() < 0.55):
            thread = rng.choice([n for n in range(len(threads)) if n not in busy])
            f, asked = thing.ask(threads[thread])
            busy[thread] = (f, asked)
            history.append(Operation(process=threads[thread], type="invoke", f=f, value=asked))
            begun += 1
            continue
        if begun == count and rng.random() < FORGOTTEN / 4:
            break
        thread = rng.choice(sorted(busy))
        f, asked = busy.pop(thread)
        kind, told = _ending(rng, thing, threads[thread], f, asked)
        history.append(Operation(process=threads[thread], type=kind, f=f, value=told))
        if kind == "info":
            threads[thread] += THREADS
    return history


def _ending(rng, thing, process, f, asked):
    roll = rng.random()
    if roll < CRASHED + FAILED:
        if rng.random() < (0.5 if roll < CRASHED else 0.15):
            thing.do(process, f, asked)
        return "info" if roll < CRASHED else "fail", asked
    told = thing.do(process, f, asked)
    return "ok", thing.spoil(f, told) if rng.random() < thing.spoiled else told


CONVICTED = {
    "total-queue": (
        ["0 enqueue 1", "1 dequeue 1"],
        ["0 enqueue 2"],
    ),
    "unique-ids": (["0 generate 7"], ["1 generate 7"]),
    "counter-bounds": (["0 add 2", "1 read 2"], ["1 read 1"]),
    "set-full": (["0 add 1", "0 read [1]"], ["1 read []"]),
    "fenced-lock": (["0 acquire 1", "1 acquire 2", "1 write [2, 0]"], ["0 write [1, 0]"]),
    "bank": (['0 read {"a": 1, "b": 1}'] * 2, ['0 read {"a": 1, "b": 0}']),
    "long-fork": (
        ['0 txn [["w", "x", 1]]', '0 txn [["w", "y", 1]]', '1 txn [["r", "x", 1], ["r", "y", null]]'],
        ['1 txn [["r", "x", null], ["r", "y", 1]]'],
    ),
    "monotonic": (['0 read {"x": 1, "y": 1}', '1 read {"x": 2, "y": 1}'], ['1 read {"x": 1, "y": 2}']),
    "sequential": (['0 write "k"', '1 read ["k", [null, 1]]'], ['1 read ["k", [2, null]]']),
    "causal-reverse": (["0 write 1", "1 write 2", "2 read [1, 2]"], ["2 read [2]"]),
    "comments": (["0 write 1", "1 write 2", "2 read [1, 2]"], ["2 read [2]"]),
    "causal": (["0 write 1", "1 read 1", "1 write 2", "2 read 2"], ["2 read 1"]),
    "causal-convergence": (
        ["0 write 1", "1 write 2", "0 read 2", "2 read 1"],
        ["1 read 1", "2 read 2", "2 read 1"],
    ),
    "causal-memory": (
        ["0 write 1", "1 write 2", "2 read 1", "2 read 2"],
        ["2 read 1"],
    ),
    "session-guarantees": (["0 write 1", "1 write 2", "0 read 2"], ["0 read 1"]),
    "read-your-writes": (["0 write 1", "0 read 1"], ["0 read null"]),
    "monotonic-reads": (["0 write 1", "1 write 2", "2 read 1", "2 read 2"], ["2 read 1"]),
    "monotonic-writes": (["0 write 1", "0 write 2", "1 read 1", "1 read 2"], ["2 read 2", "2 read 1"]),
    "writes-follow-reads": (["0 write 1", "1 read 1", "1 write 2"], ["2 read 3", "2 write 3"]),
    "session-versions": (["0 write 1", "0 read 1", "1 write 2", "0 read 2"], ["0 read 1"]),
    "kafka": (
        ['0 send [["send", 0, [0, 1]]]', '0 send [["send", 0, [1, 2]]]', '1 poll [["poll", {"0": [[0, 1], [1, 2]]}]]'],
        ['0 send [["send", 0, [3, 3]]]', '0 send [["send", 0, [4, 4]]]', '2 poll [["poll", {"0": [[4, 4]]}]]'],
    ),
}  # fmt: skip
"""Model -> a history that it finds valid, and what makes it invalid: lines of process, f and completed value, one after the other."""

TOLD = ("read", "dequeue", "generate", "acquire")
"""What is invoked with nothing."""


def one_by_one(lines, *, keyed=False):
    """The lines of `CONVICTED` as a file of one operation after the other; `keyed`: values are [key, value]."""
    events = []
    for line in lines:
        process, f, value = line.split(" ", 2)
        told = msgspec.json.decode(value)
        nothing = [told[0], None] if keyed else None
        asked = nothing if f in TOLD else told
        events += [
            Operation(process=int(process), type="invoke", f=f, value=asked),
            Operation(process=int(process), type="ok", f=f, value=told),
        ]
    return msgspec.json.Encoder().encode_lines(events)
