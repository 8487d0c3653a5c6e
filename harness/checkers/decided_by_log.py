"""What the log of our own cluster knows of operations whose clients do not: took effect, or never did.

An indeterminate write may have happened, for whoever sees only the history; the committed log says whether. An operation that
ends indeterminate is the last of its process, so its request is known by the client's name and by how many numbered
requests that process had made; the request must also say the same. What is decided:

* a put or append whose request is committed took effect (sessions make a request take effect once);
* an operation whose request is nowhere on a committed path of which every entry is known never did, as far as the history
  goes; where its client asked the same under another number, it stays open.

A compare-and-set that is committed may have found another value: that stays open. Nothing here judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.checkers.checker import Run
from harness.checkers.committed_log import GroupLog, committed_logs, kv_requests
from harness.operation import NEMESIS, Operation

__all__ = ["decided_by_log"]

_OPS: Final = {"write": "put", "append": "append", "cas": "cas"}
"""What an f asks of the store; every one of these is a numbered request."""

_CERTAIN: Final = frozenset({"put", "append"})
"""Requests that take effect wherever they are committed."""


def decided_by_log(run: Run) -> dict[int, bool]:
    """Return the position in the history of each invocation that the log decides, and whether it took effect."""
    logs = committed_logs(run.trace)
    numbered, ever = set(), set()
    for log in logs.values():
        for _, request in kv_requests(log):
            asked = (request.client, str(request.op), request.key, repr(request.value))
            numbered.add((*asked, request.sequence))
            ever.add(asked)
    complete = bool(logs) and all(_is_complete(log) for log in logs.values())
    decided = {}
    for position, sequence, operation in _indeterminate(run.history):
        op = _OPS[operation.f]
        key, argument = operation.value
        value = argument[1] if op == "cas" else argument
        asked = (f"p{operation.process}", op, str(key), repr(value))
        if asked not in ever and complete:
            decided[position] = False
        elif (*asked, sequence) in numbered and op in _CERTAIN:
            decided[position] = True
    return decided


def _is_complete(log: GroupLog) -> bool:
    """Whether the trace tells every committed entry."""
    return all(log.data(index) is not None for index in range(1, log.commit + 1))


def _indeterminate(history: Sequence[Operation]) -> list[tuple[int, int, Operation]]:
    """Return (position, number of the request, invocation) of each change of which nobody knows what became."""
    asked: dict[int, int] = {}
    pending: dict[int, tuple[int, int, Operation]] = {}
    for position, operation in enumerate(history):
        process = operation.process
        if process == NEMESIS or operation.f not in _OPS:
            continue
        if operation.type == "invoke":
            asked[process] = asked.get(process, 0) + 1
            pending[process] = (position, asked[process], operation)
        elif operation.type != "info":
            pending.pop(process, None)
    return list(pending.values())
