"""The versions of lists: what the longest read of each key shows, and how every other read stands to it. Nothing here judges.

A version of a list is one element more; it is written by whoever appended that element. Everything is linear in the number of
elements, and works on whole columns.
"""

from __future__ import annotations

import msgspec
import numpy as np

from harness.checkers.transactions.transactions import (
    OK,
    READ,
    Flags,
    Integers,
    Transactions,
)
from harness.checkers.transactions.versions import NOBODY, Writes

__all__ = ["Order", "Reads", "last_foreign", "last_writers", "order_of", "reads_of"]

_ELEMENTS_AT_ONCE = 1 << 22
"""Elements compared in one go: temporary columns stay small beside the history."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of all keys, key by key; version v of key k stands at `start[k] + v`.

    `longest` is the micro-operation that read them all, `writer` the append behind each element. `place` says for every
    micro-operation where its element stands in the list of its key, `NOBODY` when nobody saw it.
    """

    start: Integers
    length: Integers
    longest: Integers
    key: Integers
    value: Integers
    writer: Integers
    place: Integers


class Reads(msgspec.Struct, frozen=True, kw_only=True):
    """The reads whose result is known: micro-operation, key, length, and whether it is a prefix of the longest."""

    position: Integers
    key: Integers
    length: Integers
    fits: Flags


def order_of(transactions: Transactions, writes: Writes) -> Order:
    """Return the versions that the longest reads show."""
    keys = len(transactions.keys)
    position = np.flatnonzero(transactions.f == READ)
    key = transactions.key[position]
    read_length = transactions.offset[position + 1] - transactions.offset[position]
    length = np.zeros(keys, np.int64)
    np.maximum.at(length, key, read_length)
    longest = np.full(keys, NOBODY, np.int64)
    full = (read_length == length[key]) & (read_length > 0)
    longest[key[full]] = position[full]
    start = np.cumsum(length) - length
    of_key = np.repeat(np.arange(keys), length)
    index = np.arange(len(of_key)) - start[of_key]
    value = transactions.elements[transactions.offset[longest[of_key]] + index]
    writer = writes.find(of_key, value)
    place = np.full(len(transactions.f), NOBODY, np.int64)
    known = writer >= 0
    place[writer[known]] = index[known]
    return Order(
        start=start,
        length=length,
        longest=longest,
        key=of_key,
        value=value,
        writer=writer,
        place=place,
    )


def reads_of(transactions: Transactions, order: Order) -> Reads:
    """Return all reads whose result is known, held against the longest one of their key."""
    known = transactions.status[transactions.transaction] == OK
    position = np.flatnonzero((transactions.f == READ) & known)
    key = transactions.key[position]
    offset = transactions.offset[position]
    length = transactions.offset[position + 1] - offset
    end = offset + length
    shift = order.start[key] - offset
    fits = np.ones(len(position), np.bool_)
    low = 0
    while low < len(position):
        high = int(np.searchsorted(end, offset[low] + _ELEMENTS_AT_ONCE, side="right"))
        high = max(high, low + 1)
        elements = transactions.elements[offset[low] : end[high - 1]]
        at = np.repeat(shift[low:high], length[low:high])
        at += np.arange(offset[low], end[high - 1])
        wrong = np.flatnonzero(order.value[at] != elements) + offset[low]
        fits[np.searchsorted(end, wrong, side="right")] = False
        low = high
    return Reads(position=position, key=key, length=length, fits=fits)


def last_writers(order: Order, reads: Reads) -> Integers:
    """Return the append of each read's last element; `NOBODY` for empty reads and those that do not fit."""
    some = reads.fits & (reads.length > 0)
    writer = np.full(len(reads.position), NOBODY, np.int64)
    writer[some] = order.writer[order.start[reads.key[some]] + reads.length[some] - 1]
    return writer


def last_foreign(transactions: Transactions, order: Order, reads: Reads) -> Integers:
    """Return the append of the last element of each read that is not the reader's own; `NOBODY` where there is none.

    What a transaction appended itself stands behind what it had seen of others.
    """
    row = transactions.transaction
    writer = last_writers(order, reads)
    length = reads.length.copy()
    own = np.flatnonzero((writer >= 0) & (row[writer] == row[reads.position]))
    while len(own):
        length[own] -= 1
        some = length[own] > 0
        writer[own[~some]] = NOBODY
        own = own[some]
        writer[own] = order.writer[order.start[reads.key[own]] + length[own] - 1]
        own = own[(writer[own] >= 0) & (row[writer[own]] == row[reads.position[own]])]
    return writer
