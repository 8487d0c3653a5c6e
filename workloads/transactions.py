"""What the workloads of transactions share: their client, how transactions are drawn, which keys are in use, the last reads.

Operations: ``txn`` [[f, key, value] ...], completed with what its reads saw; f is ``r``, ``w`` or ``append`` (Elle's words), keys
are numbers. A transaction that only reads is asked of the process's own node, any other of the leader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from harness.generator import Generator, Generatorish, RandomSource, each_thread, limit
from harness.operation import Operation
from workloads.key_value import KeyValueClient, KeyValueLine
from workloads.mix import Made, Reached
from workloads.promises import logged_transaction

__all__ = [
    "TransactionClient",
    "draw_transaction",
    "first_key",
    "last_reads",
    "logged",
    "unique_writes",
]


def _asked(operations: list[list[Any]]) -> list[list[Any]]:
    """The micro-operations as the store knows them: its keys are strings, and a read has no value."""
    return [[f, str(key), None if f == "r" else value] for f, key, value in operations]


def logged(operation: Operation) -> tuple[str, str, Any, Any] | None:
    """Return what the log must hold of an acknowledged transaction: nothing where it only read."""
    if all(f == "r" for f, _, _ in operation.value):
        return None
    return logged_transaction(_asked(operation.value))


class TransactionClient(KeyValueClient):
    """Asks for transactions, and puts what they read into them."""

    async def ask(self, line: KeyValueLine, operation: Operation) -> Operation:
        """See `KeyValueClient`."""
        completed, results = await line.transact(operation, _asked(operation.value))
        if completed.type != "ok":
            return completed
        value = [
            [f, key, result if f == "r" else argument]
            for (f, key, argument), result in zip(operation.value, results, strict=True)
        ]
        return msgspec.structs.replace(completed, value=value)


def draw_transaction(
    random: RandomSource,
    *,
    length_max: int,
    read_percent: int,
    write: str,
    number: int,
    key_of: Callable[[int], int],
) -> list[list[Any]]:
    """Return one to `length_max` micro-operations; writes are `write` of `number`, `number` + 1 ...

    `key_of(n)` draws the key of a micro-operation in front of which n - 1 numbers were used.
    """
    operations: list[list[Any]] = []
    for _ in range(1 + random.below(length_max)):
        key = key_of(number)
        if random.below(100) < read_percent:
            operations.append(["r", key, None])
        else:
            operations.append([write, key, number])
            number += 1
    return operations


def first_key(number: int, keys: int, uses_max: int) -> int:
    """Return the first of the `keys` keys in use when `number` is the next one: all are given up after `uses_max` each."""
    return number // (keys * uses_max) * keys


def last_reads(reached: Reached, keys: int, uses_max: int) -> Generator:
    """Return the generator of every process's last two transactions: they read the keys in use and those before them."""

    def read() -> Generatorish:
        last = first_key(reached.number, keys, uses_max)
        names = range(max(0, last - keys), last + keys)
        return {"f": "txn", "value": [["r", key, None] for key in names]}

    return each_thread(limit(2, read))


def unique_writes(
    write: str, options: Mapping[str, Any], uses_max: int
) -> Callable[[RandomSource, int], Made]:
    """Return what draws a transaction in which every `write` is of a value of its own, on keys given up after `uses_max` of them.

    Of `options` it reads `keys`, `length_max` and `read_percent`.
    """
    keys = options["keys"]

    def make(random: RandomSource, number: int) -> Made:
        operations = draw_transaction(
            random,
            length_max=options["length_max"],
            read_percent=options["read_percent"],
            write=write,
            number=number,
            key_of=lambda now: first_key(now, keys, uses_max) + random.below(keys),
        )
        return Made("txn", operations, sum(f == write for f, _, _ in operations))

    return make
