"""An endless mix of operations: what most loads are. One function makes the next operation; nothing here knows of any store.

The function draws, and is told a number that no operation has had before; whatever it makes unique it makes of that. Asking
changes nothing: numbers are used up when an operation is dispatched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from harness.generator import PENDING, Answer, Context, Generator, RandomSource
from harness.operation import Operation

__all__ = ["Made", "Mix", "Reached"]


class Made(msgspec.Struct, frozen=True):
    """The next operation, and how many numbers it used up."""

    f: str
    value: Any = None
    numbers: int = 0


class Reached:
    """How far a mix has come: the first number not used. For generators that follow it and are made before it runs."""

    def __init__(self) -> None:
        self.number = 1


class Mix(msgspec.Struct, frozen=True):
    """The mix. `make(random, number)` returns the next operation, which may use `number` and the ones behind it."""

    make: Callable[[RandomSource, int], Made]
    reached: Reached
    number: int = 1

    def operation(self, context: Context) -> Answer:
        """See `Generator`."""
        process = context.some_free_process()
        if process is None:
            return PENDING
        made = self.make(context.random, self.number)
        operation = Operation(time_ns=context.time_ns, process=process, f=made.f, value=made.value)
        return operation, Mix(self.make, self.reached, self.number + made.numbers)

    def update(self, context: Context, event: Operation) -> Generator:
        """See `Generator`."""
        self.reached.number = max(self.reached.number, self.number)
        return self
