"""A bank: money moves and never appears or vanishes (Jepsen's bank; snapshot isolation or better).

Operations: ``transfer`` {from, to, amount}, ``read`` -> {account: balance} of all accounts at once. Every read that ended ok must

* know the accounts there are and no others (*wrong-accounts*), each with a balance (*nil-balance*),
* sum up to the same total (*wrong-total*), and
* show no balance below zero (*negative-value*), unless `negative_balances` are allowed.

Where the total is not given it is the one that most reads agree on, the earliest where there is a tie: one read among many is at
fault, not the many. Where the accounts are not given they are those of the read that ended first, and a read that lacks one with all the money
there is no fault, as in Jepsen: banks are about that drop an account when it is empty. A transfer that crashed or failed changes no total, so reads need not know of it.

A finding tells where in the order of reads it stands: the last read before it with the right total, and the transfers that were
under way since, of which one was probably seen by half.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection
from typing import Any

import msgspec

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import NEVER, Paired, paired, shown

__all__ = ["Bank"]

TRANSFERS_SHOWN_MAX = 6
"""Transfers that one finding names."""

TRANSFERS_LOOKED_AT_MAX = 64
"""Transfers in front of a wrong read among which those are looked for."""


class _Books(msgspec.Struct, frozen=True):
    """What every read is held against."""

    total: int
    accounts: frozenset[Any]


class Bank:
    """See the module."""

    name = "bank"

    def __init__(
        self,
        total: int | None = None,
        accounts: Collection[Any] = (),
        *,
        negative_balances: bool = False,
    ) -> None:
        """`total` and `accounts`: what is known to be right; None and nothing: what the reads say."""
        self._total = total
        self._accounts = frozenset(accounts)
        self._negative_balances = negative_balances

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``bank_reads``, ``bank_reads_wrong``, ``bank_transfers``, ``bank_total``, ``bank_errors``."""
        operations = paired(run.history)
        reads = [one for one in operations if one.f == "read" and one.ok]
        transfers = [one for one in operations if one.f == "transfer" and one.possible]
        if not reads:
            evidence = [finding(self.name, "stimulus", "the balances were never read")]
            return Verdict(valid="unknown", facts={"bank_reads": 0}, evidence=evidence)
        books = self._books(reads)
        wrong = [(one, problems) for one in reads if (problems := self._problems(one, books))]
        errors = Counter(name for _, problems in wrong for name, _ in problems)
        facts = {
            "bank_reads": len(reads),
            "bank_reads_wrong": len(wrong),
            "bank_transfers": sum(one.ok for one in transfers),
            "bank_total": books.total,
            "bank_errors": dict(errors),
        }
        if not wrong:
            return Verdict(valid=True, facts=facts)
        surroundings = _Surroundings(
            [one for one in reads if not self._problems(one, books)], transfers
        )
        evidence = []
        for read, problems in wrong[:EVIDENCE_MAX]:
            around = surroundings.of(read)
            evidence += [
                finding(self.name, name, what, balances=read.told, **shown(read, *around))
                for name, what in problems
            ]
        return Verdict(valid=False, facts=facts, evidence=evidence[:EVIDENCE_MAX])

    def _books(self, reads: list[Paired]) -> _Books:
        """What is given, and of the rest the first read's accounts and the total that most reads agree on."""
        first = min(reads, key=lambda one: one.returned)
        accounts, total = self._accounts or frozenset(first.told), self._total
        if total is None:
            total = Counter(_sum(one) for one in reads).most_common(1)[0][0]
        return _Books(total, accounts)

    def _problems(self, read: Paired, books: _Books) -> list[tuple[str, str]]:
        """Names and sentences of what is wrong with a read."""
        balances: dict[Any, Any] = read.told
        found = []
        strange = [account for account in balances if account not in books.accounts]
        missing = sorted(map(repr, self._accounts - balances.keys()))
        if strange or missing:
            parts = [f"has accounts that are none: {strange!r}"] if strange else []
            parts += [f"lacks {', '.join(missing)}"] if missing else []
            found.append(("wrong-accounts", f"a read {' and '.join(parts)}"))
        empty = [account for account, balance in balances.items() if balance is None]
        if empty:
            found.append(("nil-balance", f"a read knows no balance of {empty!r}"))
        total = _sum(read)
        if total != books.total:
            words = f"a read sums up to {total:,}, {abs(total - books.total):,}"
            words += f" {'more' if total > books.total else 'less'} than there is"
            found.append(("wrong-total", words))
        below = {account: n for account, n in balances.items() if n is not None and n < 0}
        if below and not self._negative_balances:
            found.append(("negative-value", f"a read shows balances below zero: {below!r}"))
        return found


def _sum(read: Paired) -> int:
    return sum(balance for balance in read.told.values() if balance is not None)


class _Surroundings:
    """Where in the order of reads and transfers a read stands."""

    def __init__(self, right: list[Paired], transfers: list[Paired]) -> None:
        self._right = sorted(right, key=lambda one: one.returned)
        self._returned = [one.returned for one in self._right]
        self._transfers = transfers
        self._called = [one.called for one in transfers]

    def of(self, read: Paired) -> list[Paired]:
        """The last right read that returned before `read` was called, and transfers under way from there to its end."""
        place = bisect_left(self._returned, read.called)
        before = self._right[place - 1 : place] if place else []
        since = before[0].called if before else -1
        end = bisect_left(self._called, read.returned)
        latest = self._transfers[max(0, end - TRANSFERS_LOOKED_AT_MAX) : end]
        under_way = [one for one in reversed(latest) if one.returned > since]
        under_way.sort(key=lambda one: one.returned == NEVER)
        return before + under_way[:TRANSFERS_SHOWN_MAX]
