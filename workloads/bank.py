"""A bank: money moves between accounts, none appears or vanishes, and no balance is ever below zero.

Operations: ``transfer`` {from, to, amount}; ``read``, completed with {account: balance} of all accounts in one transaction.
A transfer reads both balances, and then writes both in a transaction that compares them with what was read: one whose balances
have changed meanwhile fails, as one does that would overdraw. Its completion has what was read under ``seen``. An account that
was never written holds `OPENING`. At the end, when everything is healed, every process reads twice. Source: Jepsen's ``bank``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from cluster.worlds.tape import Stream
from harness.checkers.bank import Bank
from harness.generator import RandomSource, each_thread
from harness.operation import Operation
from harness.test import Workload
from workloads.key_value import KeyValueClient, KeyValueLine
from workloads.mix import Made, Mix, Reached
from workloads.promises import logged_transaction, promises

__all__ = ["OPENING", "OPTIONS", "BankClient", "swarm", "workload"]

OPENING = 10
"""What is in an account at first."""

AMOUNT_MAX = 5
"""Most that one transfer moves."""


class BankClient(KeyValueClient):
    """Transfers, and reads the balances of `accounts`, which stand in the value that a read is invoked with."""

    async def ask(self, line: KeyValueLine, operation: Operation) -> Operation:
        """See `KeyValueClient`."""
        if operation.f == "read":
            accounts = list(operation.value)
            completed, results = await line.transact(operation, _reads(accounts))
            if completed.type != "ok":
                return completed
            balances = dict(zip(accounts, map(_balance, results), strict=True))
            return msgspec.structs.replace(completed, value=balances)
        source, target, amount = (operation.value[name] for name in ("from", "to", "amount"))
        completed, seen = await line.transact(operation, _reads([source, target]))
        if completed.type != "ok":
            return completed
        if _balance(seen[0]) < amount:
            return operation.completed("fail", error="overdrawn", node=completed.node)
        value = {**operation.value, "seen": seen}
        completed, _ = await line.transact(operation, _moves(value))
        return msgspec.structs.replace(completed, value=value)


def _reads(accounts: list[str]) -> list[list[Any]]:
    return [["r", account, None] for account in accounts]


def _balance(stored: int | None) -> int:
    return OPENING if stored is None else stored


def _moves(value: dict[str, Any]) -> list[list[Any]]:
    """The transaction of a transfer whose balances were seen."""
    (source, target), amount, seen = (value["from"], value["to"]), value["amount"], value["seen"]
    return [
        ["compare", source, seen[0]],
        ["compare", target, seen[1]],
        ["w", source, _balance(seen[0]) - amount],
        ["w", target, _balance(seen[1]) + amount],
    ]


def _logged(operation: Operation) -> tuple[str, str, Any, Any] | None:
    return logged_transaction(_moves(operation.value)) if operation.f == "transfer" else None


OPTIONS: dict[str, Any] = {
    "accounts": Annotated[int, msgspec.Meta(ge=2, le=64)],
    "read_percent": Annotated[int, msgspec.Meta(ge=0, le=100)],
    "insists": bool,
}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: how many accounts, how often they are read, who insists."""
    return {
        "accounts": (2, 3, 5, 8)[draw.below(4)],
        "read_percent": (30, 50)[draw.below(2)],
        "insists": draw.below(2) == 1,
        **options,
    }


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Options: `accounts` (how many), `read_percent`, `insists`; transfers are the rest."""
    accounts = [f"a{number}" for number in range(options["accounts"])]
    unknown = dict.fromkeys(accounts)

    def make(random: RandomSource, _: int) -> Made:
        if random.below(100) < options["read_percent"]:
            return Made("read", unknown)
        source = random.below(len(accounts))
        target = (source + 1 + random.below(len(accounts) - 1)) % len(accounts)
        amount = 1 + random.below(AMOUNT_MAX)
        return Made(
            "transfer", {"from": accounts[source], "to": accounts[target], "amount": amount}
        )

    return Workload(
        name="bank",
        client=BankClient(insists=options["insists"]),
        generator=Mix(make, Reached()),
        final_generator=each_thread([{"f": "read", "value": unknown}] * 2),
        checkers=(Bank(OPENING * len(accounts), accounts), *promises(_logged)),
        stimuli={"acked_sync_writes": 1, "bank_reads": 1},
        options=options,
    )
