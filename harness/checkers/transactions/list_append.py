"""Lists that are appended to and read: the order of versions is what the longest read saw.

Every read must be a prefix of the longest read of its key, so one comparison of all elements with the longest
reads judges them all, and what else can be wrong with elements is looked for in the longest reads alone. Reads that are no prefix
(incompatible order) are looked at one by one; they bear no dependencies.

Dependencies: ww between the writers of neighbouring versions, wr from the writer of a read's last element (that is not the
reader's own) to the reader, rw from the reader to the writer of the next version. What was appended and never seen comes after all that was seen, in an unknown
order (`EdgeBuilder.fan`). A failed transaction bears no dependencies, an indeterminate one only what somebody saw of it.
Everything is linear in the number of elements.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.checkers.transactions.anomalies import (
    NAMED_MAX,
    Anomaly,
    Inferred,
    label,
    labels,
    list_in_words,
    say,
)
from harness.checkers.transactions.graph import RW, WR, WW, EdgeBuilder, Graph
from harness.checkers.transactions.list_versions import (
    Order,
    Reads,
    last_foreign,
    last_writers,
)
from harness.checkers.transactions.transactions import (
    FAIL,
    INFO,
    OK,
    WRITE,
    Bytes,
    Flags,
    Integers,
    Transactions,
)
from harness.checkers.transactions.versions import NOBODY, Groups, Writes, group, spans

__all__ = ["dependencies", "infer"]


def infer(transactions: Transactions, writes: Writes, order: Order, reads: Reads) -> Inferred:
    """Return dependencies and direct anomalies."""
    groups, final = group(transactions)
    anomalies = [
        *_in_versions(transactions, order),
        *_incompatible(transactions, order, reads, writes),
        *_intermediate(transactions, order, reads, final),
        *_inside(transactions, order, reads, groups),
        *_against_own_order(transactions, order, groups),
        *_lost_updates(transactions, reads, groups),
    ]
    return Inferred(dependencies(transactions, order, reads), anomalies)


def dependencies(transactions: Transactions, order: Order, reads: Reads) -> Graph:
    """Return what follows from versions that stand in `order`, and from appends that do not."""
    builder = EdgeBuilder(len(transactions.process))
    _seen_dependencies(builder, transactions, order, reads)
    _unseen_dependencies(builder, transactions, order, reads)
    return builder.graph()


def _status(transactions: Transactions, position: Integers) -> Bytes:
    """Return the status of the transactions behind micro-operations; `NOBODY`'s has failed."""
    status = transactions.status[transactions.transaction[position]]
    return np.where(position >= 0, status, np.int8(FAIL))


def _first(flags: Flags) -> list[int]:
    """Return where flags are set, as many as are kept of one anomaly."""
    found: list[int] = np.flatnonzero(flags)[:NAMED_MAX].tolist()
    return found


def _of(transactions: Transactions, *positions: int) -> tuple[int, ...]:
    """Return the transactions of micro-operations, each once."""
    return tuple(dict.fromkeys(int(transactions.transaction[position]) for position in positions))


def _in_versions(transactions: Transactions, order: Order) -> Iterator[Anomaly]:
    """Find what is wrong with elements of the longest reads."""
    writer = order.writer
    status = _status(transactions, writer)
    for at in _first(writer < 0):
        yield _phantom(transactions, int(order.longest[order.key[at]]), int(order.value[at]))
    for at in _first((writer >= 0) & (status == FAIL)):
        yield _aborted(transactions, int(order.longest[order.key[at]]), int(writer[at]))
    definite = np.flatnonzero(status != INFO)
    before, behind = definite[:-1], definite[1:]
    dirty = (order.key[before] == order.key[behind]) & (writer[before] >= 0)
    dirty &= (status[before] == FAIL) & (status[behind] == OK)
    for at in _first(dirty):
        failed, built = int(writer[before[at]]), int(writer[behind[at]])
        what = f"{say(transactions, built)} behind an element of {label(_of(transactions, failed)[0])}, which failed"
        yield Anomaly(name="dirty-update", transactions=_of(transactions, failed, built), what=what)
    seen = writer[writer >= 0]
    repeated = np.bincount(seen, minlength=1) > 1
    for position in _first(repeated):
        read = int(order.longest[transactions.key[position]])
        times = int((seen == position).sum())
        what = f"{say(transactions, read)}; {transactions.name(int(transactions.value[position]))!r} is in it {times} times"
        yield Anomaly(
            name="duplicate-elements", transactions=_of(transactions, read, position), what=what
        )


def _phantom(transactions: Transactions, read: int, value: int) -> Anomaly:
    what = f"{say(transactions, read)}; nobody ever appended {transactions.name(value)!r} to it"
    return Anomaly(name="phantom", transactions=_of(transactions, read), what=what)


def _aborted(transactions: Transactions, read: int, write: int) -> Anomaly:
    what = f"{say(transactions, read)}, but {say(transactions, write)} and failed"
    return Anomaly(name="G1a", transactions=_of(transactions, read, write), what=what)


def _incompatible(
    transactions: Transactions, order: Order, reads: Reads, writes: Writes
) -> Iterator[Anomaly]:
    """Find reads that are no prefix of the longest, and what else is wrong with them."""
    for at in _first(~reads.fits):
        read, key = int(reads.position[at]), int(reads.key[at])
        longest = int(order.longest[key])
        what = f"{say(transactions, read)}, but {say(transactions, longest)}: neither can have become the other"
        yield Anomaly(
            name="incompatible-order", transactions=_of(transactions, read, longest), what=what
        )
        values = transactions.elements[transactions.offset[read] : transactions.offset[read + 1]]
        found = writes.find(np.full(len(values), key), values)
        for element in _first(found < 0):
            yield _phantom(transactions, read, int(values[element]))
        failed = (found >= 0) & (_status(transactions, found) == FAIL)
        for element in _first(failed):
            yield _aborted(transactions, read, int(found[element]))
        if len(np.unique(values)) < len(values):
            what = f"{say(transactions, read)}; some element is in it more than once"
            yield Anomaly(
                name="duplicate-elements", transactions=_of(transactions, read), what=what
            )


def _intermediate(
    transactions: Transactions, order: Order, reads: Reads, final: Flags
) -> Iterator[Anomaly]:
    """Find reads that end in the middle of another transaction."""
    writer = last_writers(order, reads)
    foreign = transactions.transaction[writer] != transactions.transaction[reads.position]
    for at in _first((writer >= 0) & ~final[writer] & foreign):
        read, write = int(reads.position[at]), int(writer[at])
        what = f"{say(transactions, read)}, but {say(transactions, write)} before a further element"
        yield Anomaly(name="G1b", transactions=_of(transactions, read, write), what=what)


def _inside(
    transactions: Transactions, order: Order, reads: Reads, groups: Groups
) -> Iterator[Anomaly]:
    """Find transactions whose reads contradict what they did before, or saw what they did only later."""
    position, index = groups.position, np.arange(len(groups.position))
    misfit = np.zeros(len(transactions.f), np.bool_)
    misfit[reads.position[~reads.fits]] = True
    length = transactions.offset[position + 1] - transactions.offset[position]
    previous, following = groups.before(groups.reading), groups.behind(groups.reading)
    after_read = groups.reading & (previous >= 0)
    doubtful = after_read & (length != length[previous] + index - previous - 1)
    own = transactions.f[position] == WRITE
    place = order.place[position]
    shown = own & (following >= 0)
    doubtful |= shown & ((place < 0) | (place != length[following] - (following - index)))
    doubtful |= misfit[position]
    starts = np.unique(groups.first[doubtful]).tolist()
    wrong = 0
    for start in starts:
        members = position[start : groups.last[start] + 1].tolist()
        read = _contradiction(transactions, members)
        if read != NOBODY:
            what = (
                f"{say(transactions, read)}, which contradicts what it had read and appended before"
            )
            yield Anomaly(name="internal", transactions=_of(transactions, read), what=what)
            wrong += 1
            if wrong == NAMED_MAX:
                break
    early = own & (previous >= 0) & (place >= 0) & (place < length[previous])
    early &= ~misfit[position[previous]]
    for at in _first(early):
        read = int(position[previous[at]])
        what = f"{say(transactions, read)} before it appended {transactions.name(int(transactions.value[position[at]]))!r}"
        yield Anomaly(name="future-read", transactions=_of(transactions, read), what=what)


def _contradiction(transactions: Transactions, members: list[int]) -> int:
    """Return the first read of a group that does not follow from what came before it, or `NOBODY`."""
    known = False
    tail: list[int] = []
    for position in members:
        if transactions.f[position] == WRITE:
            tail.append(int(transactions.value[position]))
            continue
        low, high = transactions.offset[position : position + 2]
        seen = transactions.elements[low:high].tolist()
        expected = (
            seen if known else seen[len(seen) - len(tail) :] if len(seen) >= len(tail) else []
        )
        if expected != tail:
            return position
        known, tail = True, seen
    return NOBODY


def _against_own_order(
    transactions: Transactions, order: Order, groups: Groups
) -> Iterator[Anomaly]:
    """Find transactions whose appends to one key were seen in another order, or a later one without an earlier one."""
    position = groups.position
    writing = transactions.f[position] == WRITE
    writing &= transactions.status[transactions.transaction[position]] != FAIL
    previous = groups.before(writing)
    place = order.place[position]
    earlier = place[previous]
    wrong = writing & (previous >= 0) & (place >= 0) & ((earlier < 0) | (earlier > place))
    for at in _first(wrong):
        first, second = int(position[previous[at]]), int(position[at])
        longest = int(order.longest[transactions.key[second]])
        value = transactions.name(int(transactions.value[second]))
        what = f"{say(transactions, first)} and then {value!r}, but {say(transactions, longest)}"
        rows = _of(transactions, first, longest)
        yield Anomaly(name="cyclic-versions", transactions=rows, what=what)


def _lost_updates(transactions: Transactions, reads: Reads, groups: Groups) -> Iterator[Anomaly]:
    """Find versions that several transactions read and then appended to."""
    fits = np.zeros(len(transactions.f), np.bool_)
    fits[reads.position[reads.fits]] = True
    start = np.unique(groups.first)
    read = groups.position[start]
    appends = np.zeros(len(start), np.bool_)
    if len(start):
        writing = transactions.f[groups.position] == WRITE
        appends = np.logical_or.reduceat(writing, start)
    read = read[appends & fits[read]]
    length = transactions.offset[read + 1] - transactions.offset[read]
    order = np.lexsort((length, transactions.key[read]))
    read, length = read[order], length[order]
    version = transactions.key[read] * (int(length.max(initial=0)) + 1) + length
    low, high = spans(version)
    for at in _first(high - low > 1):
        rivals = read[low[at] : high[at]].tolist()
        rows = _of(transactions, *rivals)
        key, value = transactions.micro_operation(rivals[0])[1:]
        what = f"{labels(rows)} all read key {key!r} as {list_in_words(value)} and appended to it"
        yield Anomaly(name="lost-update", transactions=rows[:NAMED_MAX], what=what)


def _seen_dependencies(
    builder: EdgeBuilder, transactions: Transactions, order: Order, reads: Reads
) -> None:
    """Add what follows from versions that were seen."""
    row = transactions.transaction
    sound = _status(transactions, order.writer) != FAIL
    both = (order.key[1:] == order.key[:-1]) & sound[1:] & sound[:-1]
    before, behind = order.writer[:-1][both], order.writer[1:][both]
    builder.add(WW, row[before], row[behind], before, behind)
    shown = last_foreign(transactions, order, reads)
    followed = _status(transactions, shown) != FAIL
    builder.add(
        WR,
        row[shown[followed]],
        row[reads.position[followed]],
        shown[followed],
        reads.position[followed],
    )
    last = last_writers(order, reads)
    foreign = (last < 0) | (row[last] != row[reads.position])
    open_end = reads.fits & foreign & (reads.length < order.length[reads.key])
    at = order.start[reads.key[open_end]] + reads.length[open_end]
    overwritten = sound[at]
    reader, writer = reads.position[open_end][overwritten], order.writer[at[overwritten]]
    builder.add(RW, row[reader], row[writer], reader, writer)


def _unseen_dependencies(
    builder: EdgeBuilder, transactions: Transactions, order: Order, reads: Reads
) -> None:
    """Add what follows from appends that nobody saw: they come behind the last version of their key."""
    row = transactions.transaction
    exists = transactions.status == OK
    exists[row[(order.place >= 0) & (transactions.status[row] == INFO)]] = True
    unseen = (transactions.f == WRITE) & exists[row] & (order.place < 0)
    position = np.flatnonzero(unseen)
    members = (transactions.key[position], row[position], position)
    last = last_writers(order, reads)
    foreign = (last < 0) | (row[last] != row[reads.position])
    complete = reads.fits & foreign & (reads.length == order.length[reads.key])
    reader = reads.position[complete]
    keys = np.flatnonzero(order.length > 0)
    newest = order.writer[order.start[keys] + order.length[keys] - 1]
    keys, newest = keys[(sound := _status(transactions, newest) != FAIL)], newest[sound]
    builder.fan(
        np.concatenate((np.full(len(reader), RW, np.int8), np.full(len(newest), WW, np.int8))),
        (
            np.concatenate((reads.key[complete], keys)),
            np.concatenate((row[reader], row[newest])),
            np.concatenate((reader, newest)),
        ),
        members,
    )
