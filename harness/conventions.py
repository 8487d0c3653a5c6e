"""Where key, arguments and result stand in the value of an operation: one table for all workloads.

A convention says for each f which part of the invoked value is an argument and which part of the completed value is
the result, as a path into lists and maps; ``()`` is the whole value. Histories of many keys hold ``[key, value]``
(Jepsen's independent): then every path begins behind the key. An f that a convention does not name does not belong
to its workload.

| convention      | operations                                                                              |
|-----------------|-----------------------------------------------------------------------------------------|
| register, cas   | ``read`` -> v, ``write`` v, ``cas`` [old, new]                                            |
| append          | ``read`` -> [x ...], ``append`` x                                                         |
| kv              | ``get`` -> v, ``put`` v, ``append`` v                                                       |
| set             | ``add`` x, ``read`` -> [x ...]                                                            |
| queue           | ``enqueue`` x, ``dequeue`` -> x, ``drain`` -> [x ...]                                       |
| stack           | ``push`` x, ``pop`` -> x                                                                  |
| counter         | ``add`` n, ``read`` -> n                                                                  |
| mutex           | ``acquire``, ``release``; a ``write`` of what the lock guards says nothing of it          |
| owner-mutex     | the same, and only the process that holds the lock releases it                           |
| fenced-lock     | ``acquire`` -> token, ``release`` token, ``write`` [token, v]                              |
| unique-ids      | ``generate`` -> x                                                                       |
| bank            | ``transfer`` {from, to, amount}, ``read`` -> {account: balance}                            |
| causal          | ``write`` v, ``read`` -> v, ``read-init`` -> v                                            |
| precedence      | ``write`` v, ``read`` -> [v ...]                                                         |
| sequential      | ``write`` k or ``add`` k, ``read`` k -> [k, [v ...]]                                       |
| monotonic       | ``inc`` -> n or {k: n}, ``read`` -> the same                                             |
| versions        | ``write`` -> n, ``read`` -> n                                                           |
| long-fork       | ``txn`` (or ``read``, ``write``) [[w, k, v]] or [[r, k, v] ...]                              |
| kafka           | ``send``, ``poll``, ``txn`` [[send, k, v] [poll] ...], ``assign`` and ``subscribe`` [k ...]    |
| multi-register  | ``txn`` [[read, k, v] ...] or [[write, k, v] ...]                                         |
| txn             | ``txn`` [[f, k, v] ...] -> the same with what was read                                  |
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

__all__ = ["CONVENTIONS", "UNCOMPARED", "Convention", "Path", "Roles", "independent", "parts"]

Path = tuple[int | str, ...]


class Roles(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of one f; None where it has no such part. `key`, `argument` and `second` lead into the invoked value."""

    key: Path | None = None
    argument: Path | None = None
    second: Path | None = None
    """The second argument: the new value of a compare-and-set."""
    result: Path | None = None


Convention = dict[str, Roles]

_GIVEN: Final = Roles(argument=())
_TAKEN: Final = Roles(result=())
_BOTH: Final = Roles(argument=(), result=())
_NEITHER: Final = Roles()
_REGISTER: Final = {
    "read": _TAKEN,
    "write": _GIVEN,
    "cas": Roles(argument=(0,), second=(1,)),
}
_LOCK: Final = {"acquire": _NEITHER, "release": _NEITHER, "write": _NEITHER}

CONVENTIONS: Final[dict[str, Convention]] = {
    "register": _REGISTER,
    "append": {"read": _TAKEN, "append": _GIVEN},
    "kv": {"get": _TAKEN, "put": _GIVEN, "append": _GIVEN},
    "set": {"add": _GIVEN, "read": _TAKEN},
    "queue": {"enqueue": _GIVEN, "dequeue": _TAKEN, "drain": _TAKEN},
    "stack": {"push": _GIVEN, "pop": _TAKEN},
    "counter": {"add": _GIVEN, "read": _TAKEN},
    "mutex": _LOCK,
    "owner-mutex": _LOCK,
    "fenced-lock": {"acquire": _TAKEN, "release": _GIVEN, "write": _GIVEN},
    "unique-ids": {"generate": _TAKEN},
    "bank": {"transfer": _GIVEN, "read": _TAKEN},
    "causal": {"write": _GIVEN, "read": _TAKEN, "read-init": _TAKEN},
    "precedence": {"write": _GIVEN, "read": _TAKEN},
    "sequential": {"write": _GIVEN, "add": _GIVEN, "read": _BOTH},
    "monotonic": {"inc": _TAKEN, "read": _TAKEN},
    "versions": {"write": _TAKEN, "read": _TAKEN},
    "long-fork": {"txn": _BOTH, "read": _BOTH, "write": _BOTH},
    "kafka": {
        **dict.fromkeys(("send", "poll", "txn"), _BOTH),
        **dict.fromkeys(("assign", "subscribe"), _GIVEN),
        **dict.fromkeys(("crash", "debug-topic-partitions"), _NEITHER),
    },
    "multi-register": {"txn": _BOTH},
    "txn": {"txn": _BOTH},
}


UNCOMPARED: Final = frozenset({"multi-register"})
"""Conventions whose values are taken apart by whoever judges, and never compared as wholes."""


def independent(convention: Convention) -> Convention:
    """The same convention with values ``[key, value]``."""

    def behind_key(path: Path | None) -> Path | None:
        return None if path is None else (1, *path)

    return {
        f: Roles(
            key=(0,),
            argument=behind_key(roles.argument),
            second=behind_key(roles.second),
            result=behind_key(roles.result),
        )
        for f, roles in convention.items()
    }


def parts(values: list[Any], path: Path) -> list[Any]:
    """The part of each value that `path` leads to. Raises LookupError or TypeError where one has none."""
    for step in path:
        if any(issubclass(kind, str) for kind in set(map(type, values))):
            raise TypeError("a string has no parts")
        values = [value[step] for value in values]
    return values
