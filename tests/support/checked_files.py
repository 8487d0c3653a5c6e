"""For every model of ``reprise check`` one long honest history as a file: what measures the command writes its input here.

Registers, stores and causal accesses are on a hundred keys; sets, queues, stacks, counters and locks are one object, which ten clients use
at once. Their operations take effect when they end.
"""

from __future__ import annotations

import random

import msgspec
from long_histories import long_history
from object_histories import Object

from harness.checkers.causal.guarantees import GUARANTEES
from harness.formats import jsonl
from harness.operation import Operation

CLIENTS = 10


class _Register(Object):
    """A hundred registers."""

    fs = ("read", "write")

    def ask(self, process):
        f, key = self.rng.choice(self.fs), f"r{self.rng.randrange(100)}"
        return f, [key, self.fresh() if f == "write" else None]

    def do(self, process, f, asked):
        key, value = asked
        if f == "write":
            self.state[key] = value
        return [key, self.state.get(key)]


class _Compared(Object):
    """A hundred registers of five values, with compare-and-sets that fit."""

    def ask(self, process):
        f, key = self.rng.choice(("read", "write", "cas")), f"r{self.rng.randrange(100)}"
        drawn = self.rng.randint(1, 5)
        value = {"read": None, "write": drawn, "cas": [self.state.get(key, 1), drawn]}[f]
        return f, [key, value]

    def do(self, process, f, asked):
        key, value = asked
        if f == "read":
            return [key, self.state.get(key)]
        if f == "cas":
            if self.state.get(key) != value[0]:
                return None
            self.state[key] = value[1]
        else:
            self.state[key] = value
        return asked


class _Store(Object):
    """A hundred keys that are put, appended to now and then, and read."""

    def ask(self, process):
        f, key = self.rng.choice(("get", "put", "put", "append")), f"k{self.rng.randrange(100)}"
        return f, [key, None if f == "get" else f"{self.fresh()};"]

    def do(self, process, f, asked):
        key, value = asked
        if f == "get":
            return [key, self.state.get(key)]
        self.state[key] = value if f == "put" else self.state.get(key, "") + value
        return asked


class _Lists(Object):
    """Lists that are given up after thirty elements."""

    def ask(self, process):
        f, key = self.rng.choice(("read", "append")), self.number // 60
        return f, [key, None if f == "read" else self.fresh()]

    def do(self, process, f, asked):
        key, value = asked
        if f == "append":
            self.state.setdefault(key, []).append(value)
            return asked
        return [key, list(self.state.get(key, ()))]


class _Members(_Lists):
    """Sets that are given up after thirty elements."""

    def ask(self, process):
        f, asked = super().ask(process)
        return ("add" if f == "append" else f), asked

    def do(self, process, f, asked):
        return super().do(process, "append" if f == "add" else f, asked)


class _Queue(Object):
    """First in, first out."""

    fs, end = ("enqueue", "dequeue"), 0

    def start(self):
        self.state = []

    def ask(self, process):
        f = self.rng.choice(self.fs) if len(self.state) > 2 * CLIENTS else self.fs[0]
        return f, self.fresh() if f == self.fs[0] else None

    def do(self, process, f, asked):
        if f == self.fs[0]:
            self.state.append(asked)
            return asked
        return self.state.pop(self.end) if self.state else None


class _Stack(_Queue):
    """Last in, first out."""

    fs, end = ("push", "pop"), -1


class _Counter(Object):
    """Adds and reads."""

    def start(self):
        self.state = 0

    def ask(self, process):
        f = self.rng.choice(("add", "read"))
        return f, self.rng.randint(1, 5) if f == "add" else None

    def do(self, process, f, asked):
        if f == "add":
            self.state += asked
            return asked
        return self.state


class _Several(Object):
    """Four registers of a group at once; groups are given up."""

    def ask(self, process):
        group = self.number // 60
        keys = self.rng.sample(range(4), self.rng.randint(1, 3))
        if self.rng.random() < 0.5:
            return "txn", [["read", f"{group}.{key}", None] for key in keys]
        return "txn", [["write", f"{group}.{key}", self.fresh()] for key in keys]

    def do(self, process, f, asked):
        done = []
        for verb, key, value in asked:
            if verb == "write":
                self.state[key] = value
            done.append([verb, key, self.state.get(key)])
        return done


class _Mutex(Object):
    """One lock: who asks for it gets it only when it is free, and fails else."""

    def start(self):
        self.holder = None

    def ask(self, process):
        return ("release" if self.holder == process else "acquire"), None

    def do(self, process, f, asked):
        if f == "acquire" and self.holder is not None:
            return False
        self.holder = process if f == "acquire" else None
        return None


class _Transactions(Object):
    """Transactions of one to four micro-operations on keys that are given up after thirty writes."""

    writing = "append"

    def ask(self, process):
        planned = []
        for _ in range(self.rng.randint(1, 4)):
            key = self.number // 300 * 10 + self.rng.randrange(10)
            write = self.rng.random() < 0.5
            planned.append([self.writing, key, self.fresh()] if write else ["r", key, None])
        return "txn", planned

    def do(self, process, f, asked):
        done = []
        for verb, key, value in asked:
            held = self.state.setdefault(key, [])
            if verb != "r":
                held.append(value)
                done.append([verb, key, value])
            else:
                done.append(
                    [verb, key, list(held) if self.writing == "append" else (held or [None])[-1]]
                )
        return done


class _Writes(_Transactions):
    writing = "w"


OBJECTS = {
    "register": _Register,
    "cas-register": _Compared,
    "kv": _Store,
    "append": _Lists,
    "set": _Members,
    "queue": _Queue,
    "stack": _Stack,
    "counter": _Counter,
    "multi-register": _Several,
    "mutex": _Mutex,
    "list-append": _Transactions,
    "rw-register": _Writes,
}

LIKE = {
    **dict.fromkeys(("fifo-queue", "unordered-queue"), "queue"),
    "owner-mutex": "mutex",
    "comments": "causal-reverse",
    "causal-memory": "causal",
    **dict.fromkeys(GUARANTEES, "session-guarantees"),
}
"""Models that are shown the history of another."""

KEYED = {
    *("register", "cas-register", "kv", "append", "set", "causal", "causal-convergence"),
    *("causal-memory", "session-guarantees", "session-versions", *GUARANTEES),
}
"""Models whose values are [key, value]."""


def write_file(path, model, count):
    """Write a valid history of `count` operations; returns the arguments of ``reprise check`` that fit it."""
    rng = random.Random(model)
    shown = LIKE.get(model, model)
    if shown in OBJECTS:
        history = _honest(OBJECTS[shown](rng), count)
    else:
        history = long_history(rng, shown, count, clients=CLIENTS, lie=False)
    with path.open("wb") as file:
        jsonl.write(
            (
                msgspec.structs.replace(one, index=index, time_ns=index * 1_000)
                for index, one in enumerate(history)
            ),
            file,
        )
    return ["--model", model, *(["--independent"] if model in KEYED else [])]


def _honest(thing, count):
    """`count` operations of ten clients; what an object answers with False, or a compare-and-set with None, has failed."""
    busy, begun = {}, 0
    while begun < count or busy:
        process = thing.rng.randrange(CLIENTS)
        if process in busy:
            f, asked = busy.pop(process)
            told = thing.do(process, f, asked)
            failed = told is False or (f == "cas" and told is None)
            kind, value = ("fail", asked) if failed else ("ok", told)
        elif begun < count:
            f, value = busy[process] = thing.ask(process)
            begun, kind = begun + 1, "invoke"
        else:
            continue
        yield Operation(process=process, type=kind, f=f, value=value)
