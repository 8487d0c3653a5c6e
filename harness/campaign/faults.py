"""The exact faults of a scenario file, as a generator: each at its time, or after the event it waits for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.generator import NOTHING, PENDING, SECOND_NS, Answer, Context, Generator, nemesis
from harness.operation import NEMESIS, Operation
from harness.scenario import After, At, FaultEntry

__all__ = ["explicit_faults"]


class _Faults(msgspec.Struct, frozen=True):
    """`due` are (time_ns, entry) whose time is known, `waiting` are (entry, how many events are still missing)."""

    due: tuple[tuple[int, FaultEntry], ...]
    waiting: tuple[tuple[FaultEntry, int], ...]

    def operation(self, context: Context) -> Answer:
        if not context.is_free(NEMESIS):
            return PENDING
        if not self.due:
            return PENDING if self.waiting else None
        time_ns, entry = self.due[0]
        value = {**entry.value, **({"targets": entry.targets} if entry.targets else {})}
        operation = Operation(
            time_ns=max(time_ns, context.time_ns), process=NEMESIS, type="info", f=entry.f, value=value
        )
        return operation, _Faults(self.due[1:], self.waiting)

    def update(self, context: Context, event: Operation) -> Generator:
        due, waiting = list(self.due), []
        for entry, missing in self.waiting:
            when = entry.when
            assert isinstance(when, After)
            left = missing - (event.f == when.f and event.type == when.type)
            if left:
                waiting.append((entry, left))
            else:
                due.append((event.time_ns + round(when.delay_s * SECOND_NS), entry))
        if len(due) == len(self.due) and waiting == list(self.waiting):
            return self
        due.sort(key=lambda one: one[0])
        return _Faults(tuple(due), tuple(waiting))


def explicit_faults(entries: Sequence[FaultEntry]) -> Generator:
    """Return the generator of `entries`; it ends when all of them were dispatched."""
    if not entries:
        return NOTHING
    due = [
        (round(entry.when.time_s * SECOND_NS), entry) for entry in entries if isinstance(entry.when, At)
    ]
    waiting = [(entry, entry.when.nth) for entry in entries if isinstance(entry.when, After)]
    return nemesis(_Faults(tuple(sorted(due, key=lambda one: one[0])), tuple(waiting)))
