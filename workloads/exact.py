"""An exact load: each operation at its moment, by its client; what a run of any workload can be written down as.

`fixed` lists operations one after the other, as a person thinks of them; here concurrency is kept, so that what happened in
one run can be asked for again. Nothing is drawn and nothing asked again: a step whose client is still busy waits for it.

A step may wait for its place in the order of things instead of a time (`when`): then it means the same in a world where
everything takes longer. Such a step is asked again when nobody was there to take it.

A *last* step comes when every fault is healed, like the last reads of a workload; its time counts from the first of them.
TOML has no word for nothing: within a value an empty table, `{}`, stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from harness.errors import UserMistake
from harness.generator import (
    NOTHING,
    PENDING,
    SECOND_NS,
    Answer,
    Context,
    Generator,
    any_of,
    found_nobody,
    in_order,
)
from harness.operation import Operation
from harness.scenario import InOrder

__all__ = ["ExactStep", "exact_load", "spelled"]

Seconds = Annotated[float, msgspec.Meta(ge=0, le=10_000_000)]
Thread = Annotated[int, msgspec.Meta(ge=0)]


class ExactStep(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One operation. `client` is the number of the thread that asks; `at_s` is seconds of the run, or see `last` above.

    With `when` that says the moment, and `at_s` nothing. Among last steps it counts from the first of them.
    """

    f: str
    at_s: Seconds = 0.0
    client: Thread = 0
    value: Any = None
    last: bool = False
    when: InOrder | None = None

    @property
    def at_ns(self) -> int:
        """The moment in nanoseconds."""
        return round(self.at_s * SECOND_NS)


def spelled(value: Any) -> Any:
    """Return `value`, plain data, as a scenario file can hold it within a step; `exact_load` turns it back."""
    if isinstance(value, list | tuple):
        return [{} if one is None else spelled(one) for one in value]
    if isinstance(value, dict):
        return {name: {} if one is None else spelled(one) for name, one in value.items()}
    return value


def exact_load(raw: Sequence[Any], concurrency: int, *, last: bool) -> Generator:
    """Return the generator, for client threads, of the last steps among `raw`, or of the others.

    Raises UserMistake for what is no step, or has a client that the run does not have.
    """
    try:
        steps = msgspec.convert(msgspec.to_builtins(raw), tuple[ExactStep, ...])
    except msgspec.ValidationError as error:
        raise UserMistake(f"options.exact_operations: {error}") from None
    for step in steps:
        if step.client >= concurrency:
            raise UserMistake(
                f"options.exact_operations: there is no client {step.client}; concurrency is {concurrency}"
            )
    mine = [step for step in steps if step.last == last]
    timed = sorted([step for step in mine if step.when is None], key=lambda step: step.at_ns)
    placed = [_placed(step, step.when) for step in mine if step.when is not None]
    return any_of(_Exact(tuple(timed), None if last else 0), *placed)


def _placed(step: ExactStep, when: InOrder) -> Generator:
    counts = (when.invoked, when.completed, when.begun, when.done)
    return in_order(counts, _One(step), delay_ns=round(when.delay_s * SECOND_NS))


ASK_AGAIN_NS = SECOND_NS // 10
ASKED_MAX = 30


class _One(msgspec.Struct, frozen=True):
    """One step, as soon as its client is free; asked again when it found nobody there, up to `ASKED_MAX` times.

    `asked` counts, `process` is who asked last while that is under way, None before and between.
    """

    step: ExactStep
    asked: int = 0
    process: int | None = None
    not_before_ns: int = 0

    def operation(self, context: Context) -> Answer:
        process = context.processes[self.step.client]
        if self.process is not None or not context.is_free(process):
            return PENDING
        operation = Operation(
            time_ns=max(context.time_ns, self.not_before_ns),
            process=process,
            f=self.step.f,
            value=_meant(self.step.value),
        )
        return operation, _One(self.step, self.asked + 1, process)

    def update(self, context: Context, event: Operation) -> Generator:
        if event.process != self.process or event.type == "invoke":
            return self
        if found_nobody(event) and self.asked < ASKED_MAX:
            return _One(self.step, self.asked, not_before_ns=event.time_ns + ASK_AGAIN_NS)
        return NOTHING


class _Exact(msgspec.Struct, frozen=True):
    """`steps` are left to do, in order of time; `origin_ns` is when their time counts from, None before the first."""

    steps: tuple[ExactStep, ...]
    origin_ns: int | None

    def operation(self, context: Context) -> Answer:
        if not self.steps:
            return None
        origin_ns = self.origin_ns
        if origin_ns is None:
            origin_ns = context.time_ns - self.steps[0].at_ns
        waiting = set[int]()
        for place, step in enumerate(self.steps):
            process = context.processes[step.client]
            if step.client in waiting or not context.is_free(process):
                waiting.add(step.client)
                continue
            operation = Operation(
                time_ns=max(context.time_ns, origin_ns + step.at_ns),
                process=process,
                f=step.f,
                value=_meant(step.value),
            )
            return operation, _Exact(self.steps[:place] + self.steps[place + 1 :], origin_ns)
        return PENDING

    def update(self, context: Context, event: Operation) -> Generator:
        return self


def _meant(value: Any) -> Any:
    """The inverse of `spelled`."""
    if isinstance(value, list):
        return [_meant(one) for one in value]
    if isinstance(value, dict):
        return {name: _meant(one) for name, one in value.items()} if value else None
    return value
