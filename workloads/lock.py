"""A lock with fencing tokens: held by one at a time, and who has lost it writes no more.

Operations: ``acquire``, completed with the token of the grant; ``write`` [token, value], guarded by the token; ``release`` token, or
``release`` of nothing: whoever holds the lock loses it, as after the end of a lease. All are transactions that compare: the lock's
row holds the token of its holder, ``fence`` the last one granted. An acquire reads both, and then grants itself the next token where
neither has changed. A process that has lost its lock and does not know it is refused.

A process that crashes while it acquires leaves a lock that nobody knows to be held; that, and taking locks away from the living, is
what ``release`` of nothing is for. Sources: Jepsen's ``lock``; M. Kleppmann, "How to do distributed locking" (2016).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from cluster.worlds.tape import Stream
from harness.checkers.fenced_lock import FencedLock
from harness.generator import PENDING, Answer, Context, Generator, each_thread
from harness.object_checker import LinearizableObject
from harness.operation import Operation
from harness.test import Workload
from workloads.key_value import KeyValueClient, KeyValueLine
from workloads.promises import logged_transaction, promises

__all__ = ["OPTIONS", "LockClient", "swarm", "workload"]

HOLDER, FENCE, RESOURCE = "lock", "fence", "resource"

NOBODY = 0
"""In the load's memory: the thread holds nothing. Tokens begin with 1."""


class LockClient(KeyValueClient):
    """Acquires, releases, and writes what the lock guards."""

    async def ask(self, line: KeyValueLine, operation: Operation) -> Operation:
        """See `KeyValueClient`."""
        token = operation.value
        if operation.f == "write":
            completed, _ = await line.transact(operation, _asked("write", operation.value))
            return completed
        if operation.f == "acquire" or token is None:
            looking = [["r", HOLDER, None], ["r", FENCE, None]]
            completed, seen = await line.transact(operation, looking)
            if completed.type != "ok":
                return completed
            holder, fence = seen
            if (operation.f == "acquire") == (holder is not None):
                error = "free" if holder is None else f"held with token {holder}"
                return operation.completed("fail", error=error, node=completed.node)
            token = (fence or 0) + 1 if operation.f == "acquire" else holder
        completed, _ = await line.transact(operation, _asked(operation.f, token))
        return msgspec.structs.replace(
            completed, value=token if completed.type == "ok" else operation.value
        )


def _asked(f: str, value: Any) -> list[list[Any]]:
    """The transaction that grants token `value`, writes [token, value], or releases token `value`."""
    if f == "acquire":
        return [
            ["compare", HOLDER, None],
            ["compare", FENCE, value - 1 or None],
            ["w", FENCE, value],
            ["w", HOLDER, value],
        ]
    if f == "write":
        return [["compare", HOLDER, value[0]], ["w", RESOURCE, value[1]]]
    return [["compare", HOLDER, value], ["delete", HOLDER, None]]


def _logged(operation: Operation) -> tuple[str, str, Any, Any]:
    return logged_transaction(_asked(operation.f, operation.value))


class _Load(msgspec.Struct, frozen=True):
    """An endless mix. `held[thread]` is the token that the thread was granted last and has not given back."""

    break_percent: int
    held: tuple[int, ...] = ()
    number: int = 1

    def operation(self, context: Context) -> Answer:
        """See `Generator`."""
        process = context.some_free_process()
        if process is None:
            return PENDING
        token = self._token(context.thread_of(process))
        percent = context.random.below(100)
        f, number = "acquire", self.number
        value: Any = None
        if token == NOBODY and percent < self.break_percent:
            f = "release"
        elif token != NOBODY and percent < 40:
            f, value, number = "write", [token, number], number + 1
        elif token != NOBODY:
            f, value = "release", token
        operation = Operation(time_ns=context.time_ns, process=process, f=f, value=value)
        return operation, msgspec.structs.replace(self, number=number)

    def update(self, context: Context, event: Operation) -> Generator:
        """See `Generator`. Whatever became of a release, its process does not count on the lock any more."""
        thread = context.thread_of(event.process)
        if event.f == "acquire" and event.type == "ok":
            return self._with(thread, event.value)
        if event.f == "release" and event.type != "invoke":
            return self._with(thread, NOBODY)
        if event.f == "write" and event.type == "fail" and event.error == "mismatch":
            return self._with(thread, NOBODY)
        return self

    def _token(self, thread: int) -> int:
        return self.held[thread] if thread < len(self.held) else NOBODY

    def _with(self, thread: int, token: int) -> Generator:
        if thread < 0:
            return self
        held = [self._token(one) for one in range(max(thread + 1, len(self.held)))]
        held[thread] = token
        return msgspec.structs.replace(self, held=tuple(held))


OPTIONS: dict[str, Any] = {
    "break_percent": Annotated[int, msgspec.Meta(ge=0, le=100)],
    "insists": bool,
}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: how often locks are taken away, who insists."""
    return {
        "break_percent": (10, 20, 30)[draw.below(3)],
        "insists": draw.below(2) == 1,
        **options,
    }


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Options: `break_percent`, of the operations of processes that hold nothing; `insists`."""
    return Workload(
        name="lock",
        client=LockClient(insists=options["insists"]),
        generator=_Load(options["break_percent"]),
        final_generator=each_thread([{"f": "release"}, {"f": "acquire"}, {"f": "release"}]),
        checkers=(
            LinearizableObject("mutex"),
            FencedLock(),
            *promises(_logged, may_fail=("write", "release")),
        ),
        stimuli={"acked_sync_writes": 1, "lock_grants": 2},
        options=options,
    )
