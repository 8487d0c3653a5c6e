"""A fixed load: the operations that a scenario file lists, one after the other, each once.

For scenarios that are about one exact course of events. An operation begins when the one before has completed, and its
`delay_s` has passed; one that nobody was there to take (a definite refusal for want of a leader) is asked again, for that
refusal says nothing about the operation. Everything else, whatever its outcome, happens once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from harness.errors import UserMistake
from harness.generator import PENDING, SECOND_NS, Answer, Context, Generator, found_nobody
from harness.operation import Operation

__all__ = ["Step", "fixed_load", "steps_from"]

ASK_AGAIN_NS = SECOND_NS // 10


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One operation of the list; `delay_s` is the pause before it."""

    f: str
    value: Any = None
    delay_s: float = 0.0


def steps_from(raw: Sequence[Any], fs: Sequence[str]) -> tuple[Step, ...]:
    """Return the steps that a scenario spells; `fs` are the operations its workload has. Raises UserMistake."""
    try:
        steps = msgspec.convert(raw, tuple[Step, ...])
    except msgspec.ValidationError as error:
        raise UserMistake(f"options.operations: {error}") from None
    for step in steps:
        if step.f not in fs:
            raise UserMistake(
                f"options.operations: {step.f!r} is unknown; allowed: {', '.join(sorted(fs))}"
            )
    return steps


def fixed_load(steps: Sequence[Step]) -> Generator:
    """Return the generator of `steps`, for client threads."""
    return _Fixed(tuple(steps))


class _Fixed(msgspec.Struct, frozen=True):
    """`place` is the next step, `under_way` whether it was asked already, `not_before_ns` when it may be."""

    steps: tuple[Step, ...]
    place: int = 0
    under_way: bool = False
    not_before_ns: int = 0

    def operation(self, context: Context) -> Answer:
        if self.place == len(self.steps):
            return None
        process = context.some_free_process()
        if self.under_way or process is None:
            return PENDING
        step = self.steps[self.place]
        time_ns = max(context.time_ns, self.not_before_ns)
        operation = Operation(time_ns=time_ns, process=process, f=step.f, value=step.value)
        return operation, _Fixed(self.steps, self.place, under_way=True)

    def update(self, context: Context, event: Operation) -> Generator:
        if event.type == "invoke":
            return self
        if found_nobody(event):
            return _Fixed(self.steps, self.place, not_before_ns=event.time_ns + ASK_AGAIN_NS)
        place = self.place + 1
        delay_s = self.steps[place].delay_s if place < len(self.steps) else 0.0
        return _Fixed(self.steps, place, not_before_ns=event.time_ns + round(delay_s * SECOND_NS))
